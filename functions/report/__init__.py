"""Run by hand: `funchost run report` tells all sums, `funchost run report --data ada` those of one customer."""


def main(customer: str, totals: dict | None) -> str:
    if totals is None:  # an input blob that does not exist is None
        return "No totals yet: they are added up once a minute, or by `funchost run totals`."
    if customer:
        return f"{customer}: {totals['customers'].get(customer, '0.00')}"
    lines = [f"{name}: {spent}" for name, spent in totals["customers"].items()]
    return "\n".join([*lines, f"{totals['receipts']} receipts, {totals['total']} in all"])
