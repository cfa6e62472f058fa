"""Floor 4: prompt, RAG, fine-tune or train your own, on the same questions (notebook 05). Data: data/choosing/README.md.

Three groups of rooms; each uses those above it.

- **The tasks**: `tasks` (questions, general skills, how an answer is read and judged by rule).
- **Finding passages**: `documents` (the course's texts or a folder of one's own, cut into chunks), `embedding` (MiniLM, texts to
  vectors), `index` (the vector database on disk), `search` (dense, BM25, both; recall@k), `quoting` (passages for a prompt,
  orders hidden in them, documents that disagree).
- **Answering and choosing**: `engines` and `scratch` (the models), `systems` (the seven systems), `asking` (their replies and
  what they are worth), `probes` (a secret, facts trained in, facts changed), `costs` (prices, break-even), `decision` (six
  questions, a recommendation).
"""
