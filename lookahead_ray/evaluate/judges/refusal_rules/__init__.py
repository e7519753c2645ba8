"""The rules of the judge `refusal`: phrases of refusals, objections, premises."""
