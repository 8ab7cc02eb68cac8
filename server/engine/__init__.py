"""Running a graph: `Graph -> validate -> plan -> execute -> events`. Knows no node by name and imports no torch.

    engine = Engine(registry, cache=Cache(...), provided={Folders: folders, ...})       # server.engine.engine
    checked = engine.validate(graph, targets=None)                                      # -> errors.Validation
    outcome = engine.run(job_id, checked.graph, checked.good_outputs, emit, cancelled,  # -> execute.Outcome
                         hidden=lambda what, node: ..., claims=None, previews=False)

`emit` is called with each of the events of `events.py`, in the thread that runs; `cancelled()` is asked before each
node and at each step of one. `run` returns in every case that is not a fault of the engine's own: `Outcome.state` is
"done", "failed" or "cancelled", with `outputs` (what each terminal node shows, as JSON), and `error` (the
ExecutionError that was emitted). `claims` remembers under which names files are written (context.Claims).
"""
