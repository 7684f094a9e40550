import azure.functions as func

from .local import VALUE

blueprint = func.Blueprint()


@blueprint.route(route="from_blueprint")
def from_blueprint(req: func.HttpRequest, context: func.Context) -> str:
    return f"{__name__} {VALUE} {context.function_directory.rpartition('/')[2]}"
