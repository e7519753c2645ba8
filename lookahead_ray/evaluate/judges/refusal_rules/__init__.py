"""Rules of the judge `refusal`: patterns of refusals, objections and premises."""
