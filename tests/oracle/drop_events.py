#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""drop_events.py DIR ACTION...: take the events of these actions out of the records in DIR

A call that fails where the records were made (top, without a cgroup) has no event there.  One more in
the list would shift all behind it, and each would count as another difference.
"""
import json, os, sys

directory, actions = sys.argv[1], set(sys.argv[2:])
for name in sorted(os.listdir(directory)):
    path = os.path.join(directory, name)
    if not name.endswith('.json'):
        continue
    with open(path) as f:
        record = json.load(f)
    body = record.get('response', {}).get('body')
    if isinstance(body, list):
        record['response']['body'] = [x for x in body if not (isinstance(x, dict) and x.get('Action') in actions)]
        with open(path, 'w') as f:
            json.dump(record, f)
