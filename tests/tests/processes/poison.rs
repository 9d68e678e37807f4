//! Messages that nobody can use do no harm, and say so.
