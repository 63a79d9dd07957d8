"""A conformance session: its options, its workers, the run files that it writes and resumes."""
