"""A monkey: it does to runs whatever people and processes can do, in any order, and then every law must hold."""
