"""The credit-risk case engine of notebook 04: cases, their truth by the policy, reasoning text, and what checks answers."""
