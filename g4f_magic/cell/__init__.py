"""What a cell asks for: its options read, the request sent, outputs and buttons kept in step."""
