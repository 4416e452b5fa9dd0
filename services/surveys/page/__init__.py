"""The page for respondents: one question at a time, on any device, with a link and nothing else."""
