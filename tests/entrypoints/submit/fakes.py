"""A job server in memory, and a project directory in a git checkout."""

import subprocess
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SPACE = "task: {name: word_problems}\npreview: {strategy: 'true', length_tokens: {int: [1, 4]}}\n"


@dataclass
class Job:
    """A job as the server stores it."""

    submission_id: str
    metadata: dict[str, str] = field(default_factory=dict)
    status: str = "RUNNING"
    message: str = ""
    start_time: int = 0


class FakeClient:
    """A server that accepts jobs and replays their logs; uploads are read before they are deleted."""

    def __init__(self, chunks: Sequence[str | Exception] = (), ends: str = "SUCCEEDED") -> None:
        self.jobs: dict[str, Job] = {}
        self.submitted: list[dict[str, Any]] = []
        self.files: dict[str, bytes] = {}
        self.chunks = list(chunks)
        self.ends = ends

    def submit_job(
        self, *, entrypoint: str, submission_id: str, runtime_env: dict[str, Any], metadata: dict[str, str]
    ) -> str:
        root = Path(runtime_env["working_dir"])
        found = (path for path in root.rglob("*") if path.is_file())
        self.files = {str(path.relative_to(root)): path.read_bytes() for path in found}
        self.submitted.append({"entrypoint": entrypoint, "env": runtime_env["env_vars"]})
        self.jobs[submission_id] = Job(submission_id, metadata, start_time=len(self.jobs))
        return submission_id

    def list_jobs(self) -> Sequence[Job]:
        return list(self.jobs.values())

    def get_job_info(self, job_id: str) -> Job:
        if job_id not in self.jobs:
            raise RuntimeError(f"Request failed with status code 404: Job {job_id} does not exist")
        return self.jobs[job_id]

    def get_job_logs(self, job_id: str) -> str:
        return "".join(chunk for chunk in self.chunks if isinstance(chunk, str))

    def stop_job(self, job_id: str) -> bool:
        self.jobs[job_id].status = "STOPPED"
        return True

    async def tail_job_logs(self, job_id: str) -> AsyncIterator[str]:
        for index, chunk in enumerate(self.chunks):
            if isinstance(chunk, Exception):
                del self.chunks[index]  # the next connection gets further
                raise chunk
            yield chunk
        self.jobs[job_id].status = self.ends
        self.jobs[job_id].message = "out of memory\ntraceback"


def checkout(root: Path, files: dict[str, str]) -> None:
    """Write files tracked by git in a new checkout at `root`."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for command in (["init", "-q"], ["add", "-f", *files]):
        subprocess.run(["git", "-C", str(root), *command], check=True)
