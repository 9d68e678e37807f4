"""Quotas and page sizes."""

from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question
from .store import STORE

# Two of these reach the documented quota of 1,200 GB of running stores, one that of before 2023.
LARGE = 600
MOST = 4


@question(
    "store-quota", "quotas",
    "From how many GB of running stores on is another refused, with which code, and does another Region "
    "count?",
    calls=STORE + ("ec2:CreateVolume",),
    makes=(f"an empty volume of {LARGE} GiB (sc1) and its snapshot in two Regions of the source account",
           f"up to {MOST + 1} images of {LARGE} GiB", "buckets quota and quota-far"),
    # Nothing was written to the volumes, but a bound counts them as full.
    usage=lambda gib: (Usage.store(LARGE) * (MOST + 1)
                       + Usage(snapshots=LARGE * 2, cold_volumes=LARGE * 2)),
    settings=("ec2.store_quota_gb", "ec2.quota_scope", "ec2.codes.quota"),
    by_name_only=True,
)
def store_quota(lab):
    bucket, far = lab.bucket("quota"), lab.bucket("quota-far", lab.far)
    images = [lab.image("quota", gib=LARGE) for _ in range(MOST)]
    elsewhere = lab.image("quota", lab.far, gib=LARGE)
    refusal, accepted = None, []
    for image in images:
        refusal, _ = lab.store(image, bucket)
        if refusal:
            break
        accepted.append(image)
    if refusal and not accepted:
        raise Unanswered(f"the first store was refused: {refusal.code}: {refusal.message}")
    if refusal is None:
        raise Unanswered(f"{MOST} stores of {LARGE} GB were taken: some ended, or the quota is higher")
    beyond, _ = lab.store(elsewhere, far, place=lab.far)
    tasks = lab.ec2(lab.source).describe_store_image_tasks(ImageIds=accepted)["StoreImageTaskResults"]
    running = [task for task in tasks if task["StoreTaskState"] == "InProgress"]
    facts = {"running": len(running), "refusal": refusal.facts(), "elsewhere": beyond and beyond.facts()}
    if len(running) < len(accepted):
        raise Unanswered(f"of {len(accepted)} tasks {len(running)} still ran at the refusal: {refusal.code}")
    if beyond and beyond.code != refusal.code:
        raise Unanswered(f"refused with {refusal.code}, but in another Region with {beyond.code}")
    reached = LARGE * len(accepted)
    scope = "account-and-region" if beyond is None else "account"
    return Answer(
        f"With {reached} GB running, a store is refused with {refusal.code}; one in another Region is "
        f"{'taken' if beyond is None else 'refused too'}. The quota is above {reached - LARGE} GB.",
        settings={"ec2.store_quota_gb": reached, "ec2.codes.quota": refusal.code, "ec2.quota_scope": scope},
        facts=facts)


@question(
    "quota-list", "quotas",
    "Which quotas on store and restore does Service Quotas list, and are they adjustable?",
    calls=("servicequotas:ListAWSDefaultServiceQuotas", "servicequotas:ListServiceQuotas"),
    settings=("servicequotas.buckets_listed",),
)
def quota_list(lab):
    quotas = lab.aws.at("service-quotas", lab.source)
    found = []
    for service in ("ec2", "ebs"):
        pages = quotas.get_paginator("list_aws_default_service_quotas").paginate(ServiceCode=service)
        for page in pages:
            found += [quota for quota in page["Quotas"]
                      if any(word in quota["QuotaName"].lower() for word in ("storeimage", "restoreimage",
                                                                             "store image", "restore image"))]
    names = ("QuotaCode", "QuotaName", "Value", "Adjustable", "GlobalQuota")
    pages = quotas.get_paginator("list_service_quotas").paginate(ServiceCode="ec2")
    applied = [quota["QuotaName"].lower() for page in pages for quota in page["Quotas"]]
    # As `amiferry check` looks for them.
    listed = all(any(name.startswith(f"{call} ") and words in name for name in applied)
                 for call in ("createstoreimagetask", "createrestoreimagetask")
                 for words in ("maximum capacity", "refill rate"))
    return Answer(f"Service Quotas lists {len(found)} quotas on store and restore; those that apply to the account "
                  f"{'have' if listed else 'lack'} the request buckets of both calls.",
                  settings={"servicequotas.buckets_listed": listed},
                  facts={"quotas": [{name: quota.get(name) for name in names} for quota in found],
                         "applied": [name for name in applied if "imagetask" in name]})


@question(
    "image-pages", "quotas",
    "Which page sizes does DescribeImages take?",
    calls=("ec2:DescribeImages",),
    settings=("ec2.image_pages",),
)
def image_pages(lab):
    ec2 = lab.ec2(lab.source)
    beyond = 1 << 20

    def takes(size):
        refusal, _ = lab.refusal(lambda: ec2.describe_images(Owners=["self"], MaxResults=size))
        return refusal is None

    typical = 100
    if not takes(typical):
        raise Unanswered(f"a page size of {typical} is refused")
    least = _edge(takes, typical, 0)
    if takes(beyond):
        return Answer(f"Page sizes from {least} on are taken, {beyond} too.",
                      open={"ec2.image_pages": "no upper bound was found"}, facts={"least": least})
    most = _edge(takes, typical, beyond)
    return Answer(f"Page sizes from {least} to {most} are taken.",
                  settings={"ec2.image_pages": [least, most]})


def _edge(takes, good, bad):
    """The last size that is taken on the way from a good one to a bad one."""
    while abs(good - bad) > 1:
        middle = (good + bad) // 2
        if takes(middle):
            good = middle
        else:
            bad = middle
    return good
