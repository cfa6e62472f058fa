"""From adapter to product: what happens after the training cell. Nothing below this package uses it.

- **Making it better**: `preferences` (DPO on pairs), `reranking` (the best of several answers), `adapters` (several on one
  base: swap, mix, compare).
- **Shipping it**: `merging` (one plain model out of base and adapter, its drift, its seal of checksums), `serving` (answers
  over HTTP, measured and misused), `scoring` (a large file, restartable, one output row an input row).
- **Answering for it**: `monitoring` (slices, counterfactuals, drift of new data), `governance` (the model card).
"""
