"""Floor 4: the retail and luxury domain of notebook 07.

    data        the course's own texts, and the fixed splits that keep products, suppliers and houses apart
    extraction  a supplier's text to eight fields of JSON: the Task, its schema, its parser
    augment     the same text with other values in it
    scoring     what an extraction is worth: precision, recall and F1 by field, exact match, share of valid JSON
    rules       the rival without a model: regular expressions and word lists
    vocabulary  the words that the rules know
    writing     answers with and without constrained decoding (only tokens that the schema allows)
    voice       two invented houses: the Task, facts kept, the houses' rules, the style classifier
    customers   what customers complain of: the Task, a keyword list, the count of themes
    copilot     which line carries the highest risk, and why: a checker of numbers and conclusion
    recorded    what the study has kept, read back as scored systems
"""
