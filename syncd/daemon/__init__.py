"""The long-running service: schedules, jobs and their executor."""
