//! Amounts as the pipeline file writes them: `512MiB`, `10m`, `5%`. To be filled.
