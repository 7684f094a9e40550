import state


async def main(req):
    return f"{len(state.running)}"
