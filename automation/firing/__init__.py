"""The work of schedules: write down what is due, plan what is next, and turn what was written down into runs.

Each part is a function that may run in several processes at once, and be killed between any two statements.
"""
