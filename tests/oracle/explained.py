#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""explained.py EXCEPTIONS <OUTPUT: differences of a golden compare that no line explains

EXCEPTIONS   lines of three fields, tabs between them: pattern of cases, pattern of members, reason
             (shell patterns; "#" starts a comment; the member of a case that is missing is "missing")
OUTPUT       what the golden directory's compare.py printed, with a --max that leaves nothing out

Prints each difference that is not explained, and each line that explains nothing; the status is 0 if
no difference is left.
"""
import fnmatch, re, sys


def exceptions(path):
    out = []
    with open(path) as f:
        for number, line in enumerate(f, 1):
            if line.strip() and not line.startswith('#'):
                fields = [x.strip() for x in line.split('\t') if x.strip()]
                if len(fields) != 3:
                    sys.exit(f'{path}:{number}: {len(fields)} fields, not 3')
                out.append(fields + [number, 0])
    return out


def differences(lines):
    """(case, member, the two lines that say what differs)"""
    case, found = '', []
    for line in lines:
        line = line.rstrip('\n')
        head = re.match(r'(\w+/[^:]+): (.*)', line)
        if head:
            case = head.group(1)
            if head.group(2) == 'not in the second capture':
                found.append([case, 'missing', []])
        elif re.match(r'    \S', line) and case:
            found.append([case, line.strip(), []])
        elif line.startswith('      ') and found:
            found[-1][2].append(line.strip())
    return found


def main():
    known = exceptions(sys.argv[1])
    left = groups = 0
    played = set()
    for case, member, values in differences(sys.stdin):
        played.add(case.split('/')[0])
        hits = [x for x in known if fnmatch.fnmatch(case, x[0]) and fnmatch.fnmatch(member, x[1])]
        for x in hits:
            x[4] += 1
        if not hits:
            left += 1
            print(f'{case} {member}\n    ' + '\n    '.join(values))
    for pattern, member, _, number, uses in known:
        if not uses and pattern.split('/')[0] in played:
            print(f'line {number} explains nothing: {pattern} {member}')
    return left != 0


if __name__ == '__main__':
    sys.exit(main())
