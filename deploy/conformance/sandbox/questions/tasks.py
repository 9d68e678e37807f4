"""Store tasks while they run: a second one, an older one, one whose caller loses a permission."""

from .. import services
from ..cost import Usage
from ..faults import Unanswered
from ..question import Answer, question
from ..services import deny
from .store import STORE

# An empty image may be stored within seconds; how often to try to meet a running task.
TRIES = 3


@question(
    "concurrent-stores", "store",
    "Is a second store of an image into another bucket refused while the first runs?",
    calls=STORE + ("s3:HeadObject",),
    makes=("up to 3 images", "buckets one and two with up to 3 objects each"),
    usage=lambda gib: Usage.store(gib) * 2 * TRIES + Usage(snapshots=gib),
    settings=("ec2.concurrent_stores",),
)
def concurrent_stores(lab):
    one, two = lab.bucket("one"), lab.bucket("two")
    for _ in range(TRIES):
        image = lab.image("concurrent")
        refusal, first = lab.store(image, one)
        if refusal:
            raise Unanswered(f"the first store was refused: {refusal.code}: {refusal.message}")
        refusal, second = lab.store(image, two)
        if refusal:
            return Answer(f"A second store is refused with {refusal.code} while one runs.",
                          settings={"ec2.concurrent_stores": False}, facts=refusal.facts())
        running = not lab.exists(one, first, lab.source)
        ends = lab.store_ends(image, two, second)
        if running:
            return Answer("A second store runs beside the first.",
                          settings={"ec2.concurrent_stores": True}, facts={"second": ends})
    raise Unanswered("each first store had ended before the second began: give a larger --image")


@question(
    "older-tasks", "store",
    "Does DescribeStoreImageTasks show an image's older task beside its newest?",
    calls=STORE,
    makes=("an image", "buckets one and two with an object each"),
    usage=lambda gib: Usage.store(gib) * 2 + Usage(snapshots=gib),
    settings=("ec2.older_tasks_listed",),
)
def older_tasks(lab):
    image = lab.image("older")
    lab.stored(image, lab.bucket("one"))
    lab.stored(image, lab.bucket("two"))
    tasks = lab.ec2(lab.source).describe_store_image_tasks(ImageIds=[image])["StoreImageTaskResults"]
    shown = [task["Bucket"] for task in tasks]
    return Answer(f"After two stores into two buckets, {len(shown)} of the tasks are shown.",
                  settings={"ec2.older_tasks_listed": len(shown) > 1}, facts={"buckets": shown})


@question(
    "lost-permission", "store",
    "Does a running store fail once the bucket's policy denies its caller the write?",
    calls=STORE + ("s3:PutBucketPolicy",),
    makes=("an image", "bucket lost with up to one object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib),
)
def lost_permission(lab):
    image, bucket = lab.image("lost"), lab.bucket("lost")

    def lose():
        lab.bucket_policy(bucket, lab.source,
                          deny("*", ["s3:PutObject", "s3:AbortMultipartUpload"], ["{bucket}/*"]))

    return _loses(lab, image, bucket, lab.tasks(lab.source), lose)


@question(
    "revoked-session", "store",
    "Does a running store fail once its caller's role has lost all permissions?",
    calls=STORE + ("iam:CreateRole", "iam:PutRolePolicy", "sts:AssumeRole"),
    makes=("a role with an inline policy", "an image", "bucket revoked with up to one object"),
    usage=lambda gib: Usage.store(gib) + Usage(snapshots=gib),
)
def revoked_session(lab):
    name, arn = services.role(lab, lab.source, "storing", ["ec2:*", "ebs:*", "s3:*"])
    image, bucket = lab.image("revoked"), lab.bucket("revoked")
    sts = lab.aws.at("sts", lab.source)
    session = lab.soon(
        lambda: sts.assume_role(RoleArn=arn, RoleSessionName="conformance"), "AccessDenied")["Credentials"]
    tasks = lab.aws.client("tasks", "source", lab.source.region, credentials=session)

    def lose():
        lab.aws.at("iam", lab.source).put_role_policy(
            RoleName=name, PolicyName="revoked", PolicyDocument=services.document(
                {"Effect": "Deny", "Action": "*", "Resource": "*"}))
        lab.settle()

    return _loses(lab, image, bucket, tasks, lose)


def _loses(lab, image, bucket, tasks, lose):
    """Stores an image, takes a permission away while the task runs, and says how it ends."""
    refusal, answer = lab.refusal(
        lambda: tasks.create_store_image_task(ImageId=image, Bucket=bucket), denials=True)
    if refusal:
        raise Unanswered(f"the store was refused: {refusal.code}: {refusal.message}")
    lose()
    described = lab.ec2(lab.source).describe_store_image_tasks(ImageIds=[image])
    [task] = [task for task in described["StoreImageTaskResults"] if task["AmiId"] == image][:1] or [None]
    if task is None or task["StoreTaskState"] == "Completed":
        raise Unanswered("the task had ended before the permission was gone: give a larger --image")
    progress = task.get("ProgressPercentage")
    state, reason = lab.store_ends(image, bucket, answer["ObjectKey"])
    return Answer(f"The task ends {state} after the loss at {progress} %.",
                  facts={"state": state, "reason": reason, "progress_at_loss": progress})
