import pytest

pytest.register_assert_rewrite("tests.sql.failing")
