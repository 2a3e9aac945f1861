"""The suite, run on our drivers; and tests of the suite itself."""
