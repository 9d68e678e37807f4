//! S3 through the wire: requests as clients send them, answers as they read them.
