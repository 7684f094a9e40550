import azure.functions as func

reports = func.Blueprint()


@reports.blob_trigger(arg_name="report", path="reports", connection="", scanInterval="often")
def elsewhere(report: func.InputStream) -> None:
    pass
