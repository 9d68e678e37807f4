"""Asks two throw-away AWS accounts what AWS does not document; see README.md beside this folder."""
