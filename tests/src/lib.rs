//! Has no code of its own: the tests of the whole system and of the repository are in `tests/`.
