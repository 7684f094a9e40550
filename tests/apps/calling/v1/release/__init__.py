import state


async def main(req):
    held = len(state.running)
    state.gate.set()
    return f"{held}"
