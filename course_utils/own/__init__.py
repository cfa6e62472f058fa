"""Floors 4 and 5: bring your own data. From a file of two columns to an audit, an adapter and a card.

    files       read what a learner brings: CSV of any spreadsheet, JSON Lines, chats, in any usual encoding
    audit       look before you train: findings, and a verdict of go, fix or stop
    checks      the checks behind the audit, one function each, with their thresholds
    duplicates  texts that are nearly each other
    personal    patterns of personal data
    report      the audit on one page, with pictures
    planning    how many rows do I need? a learning curve on the learner's own rows
    pipeline    audit, split, train at the machine's scale, test against baselines, card and zip
    card        the model card, and the figures in lines
    form        the same behind buttons
"""
