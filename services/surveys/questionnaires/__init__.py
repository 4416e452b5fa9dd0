"""Questionnaires: what is asked, in which words, and who is asked what."""
