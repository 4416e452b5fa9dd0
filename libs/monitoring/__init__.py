"""Everything that operators watch, declared once: alerts, dashboards and runbooks over the declared metrics.

    queries       PromQL over declared metrics; a misspelt metric, label or bucket fails here, not in the night
    alerts/       every alert with its runbook, by area
    objectives    what is promised to callers, and the rules that measure it
    dashboards    panels, by area
    graph         who listens to whom, read from the services
    files         what goes into the chart
    prometheus    a real Prometheus on this machine, for tests and pictures
    picture       a dashboard drawn from live data

No process of a service imports it. `python -m libs.monitoring` writes the files of the chart.
"""
