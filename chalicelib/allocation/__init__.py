"""Allocate seats by draw: the entries of applicants, the stages of a draw, its public record, and its beacon."""
