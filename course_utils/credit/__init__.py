"""Floor 4: credit-risk cases, the grader that checks any answer to them, and what is built on both. Rules: data/credit/policy.md.

Three groups of rooms; the first two share no code, so that each checks the other.

- **Making cases**: `policy` (the rules), `world` and `cases` (obligors, scenarios), `layouts` (the text an analyst sees),
  `steps`, `wording` and `writing` (the answer in three twins), `variety` (cleaning, measures), `dataset` (the files),
  `calculator` (fills in `<<120*0.85=`).
- **Grading**: `reading` (a case text to figures), `judging` (the rules once more), `answers`, `claims`, `required`, `verdicts`
  and `arithmetic` (what an answer decides, calculates, must calculate, says of itself), `grader` (all of it), `agreement`.
- **Using them**: `task` (prompts and targets for training), `scorecard` (honest baselines), `preferences`, `faults` and
  `confident` (pairs for DPO), `teacher` and `endpoint` (a larger model writes more, the grader sorts), `gallery`
  (wrong answers to learn from), `ratings`, `rating_summary` and `rating_view` (blind ratings by people).
"""
