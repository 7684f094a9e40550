import asyncio
import json
import threading

import azure.functions as func


def told(context):
    trace = context.trace_context
    retry = context.retry_context
    return json.dumps(
        {
            "invocation_id": context.invocation_id,
            "function_name": context.function_name,
            "function_directory": context.function_directory,
            "thread_local": context.thread_local_storage.invocation_id,
            "trace": [trace.trace_parent, trace.trace_state, trace.attributes],
            "old": [trace.Traceparent, trace.Tracestate, trace.Attributes],
            "retry": [retry.retry_count, retry.max_retry_count, retry.exception.message],
            "is_context": isinstance(context, func.Context),
        }
    )


def look(req: func.HttpRequest, context: func.Context) -> str:
    return told(context)


async def look_async(req: func.HttpRequest, context: "func.Context") -> str:
    await asyncio.sleep(0)
    return told(context)


def untyped(req, context):
    return told(context)


def retried(req: func.HttpRequest, context: func.Context) -> str:
    retry = context.retry_context
    if retry.retry_count < retry.max_retry_count:
        raise ValueError(f"attempt {retry.retry_count}, after {retry.exception.message!r}")
    return told(context)


def in_threads(req: func.HttpRequest, context: func.Context) -> str:
    found = {}

    def look():
        context.thread_local_storage.invocation_id = context.invocation_id
        found["set"] = context.thread_local_storage.invocation_id
        context.thread_local_storage.own = "of this thread"

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    found["own"] = hasattr(context.thread_local_storage, "own")
    found["invocation_id"] = context.invocation_id
    return json.dumps(found)


def by_queue(msg: func.QueueMessage, context: func.Context) -> str:
    return told(context)
