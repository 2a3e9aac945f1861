call('UNLINK', unpack(KEYS, 3, 14))
