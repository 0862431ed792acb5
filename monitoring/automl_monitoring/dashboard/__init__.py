"""The dashboard: our own pages over the store, read-only, with nothing fetched from elsewhere and no script.

    server                              listens, and runs the app until it is stopped
    app                                 the routes, and what every answer carries (policy, entity tag)
    facts, retrainings, traffic         what the store knows, as the pages need it
    overview, model_page, check_page    one page each; their frame and common pieces are in page
    curves, charts, sparks              which curves are drawn, and how, as SVG
    markup, figures                     text that is escaped unless it is markup of ours; numbers and times
    evidently                           Evidently's own pages, reached through us
    metrics                             what Prometheus is told
    drift_report                        the page of one model as one file

Nothing here writes into the store.
"""
