"""Exported models in runtimes that Python has, for fettle's certificates."""
