"""Terms of a deal, its moves through a pipeline, and the history from which any past state is rebuilt."""
