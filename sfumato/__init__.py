"""Sfumato from Python: run workflow files, and build workflows of nodes that are functions.

import sfumato

result = sfumato.run("workflow.json", {"KSampler.seed": 7})
result.images()[0].show()
"""

from __future__ import annotations

from sfumato.building import Out, Workflow, workflow
from sfumato.running import Result, WorkflowError, run, run_async

__all__ = ["Out", "Result", "Workflow", "WorkflowError", "run", "run_async", "workflow"]
