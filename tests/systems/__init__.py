"""This is where Tallystick meets servers that nobody here wrote."""

# a difference between two sides is shown value by value, wherever the assert stands
import pytest

pytest.register_assert_rewrite("tests.systems.comparing", "tests.systems.scim")
