"""Conformance of the simulated EC2: images, snapshots, tags, and store and restore tasks."""

from harness import ACCOUNT, Checks, main

checks = Checks()
ZONE = "us-east-1a"


def snapshot(aws, description, size=1, **parameters):
    volume = aws.ec2.create_volume(AvailabilityZone=ZONE, Size=size, VolumeType="gp3")
    made = aws.ec2.create_snapshot(VolumeId=volume["VolumeId"], Description=description,
                                   **parameters)
    aws.wait(aws.ec2, "snapshot_completed", SnapshotIds=[made["SnapshotId"]])
    return made["SnapshotId"]


def image(aws, name, size=1, **parameters):
    device = {"DeviceName": "/dev/xvda",
              "Ebs": {"SnapshotId": snapshot(aws, f"of {name}", size), "VolumeType": "gp3"}}
    made = aws.ec2.register_image(
        Name=name, Architecture="x86_64", VirtualizationType="hvm", RootDeviceName="/dev/xvda",
        EnaSupport=True, BlockDeviceMappings=[device], **parameters)
    aws.wait(aws.ec2, "image_available", ImageIds=[made["ImageId"]])
    return made["ImageId"]


def described(aws, identifier, **parameters):
    [found] = aws.ec2.describe_images(ImageIds=[identifier], **parameters)["Images"]
    return found


def tagged(kind, **tags):
    return [{"ResourceType": kind,
             "Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}]


@checks.check("a snapshot is made of a volume, described and deleted")
def snapshots(aws):
    made = snapshot(aws, "life", TagSpecifications=tagged("snapshot", team="x"))
    [found] = aws.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    aws.equal((found["State"], found["Progress"], found["VolumeSize"]), ("completed", "100%", 1),
              "state, progress and size")
    aws.equal(found["Tags"], [{"Key": "team", "Value": "x"}], "tags")
    by_tag = aws.ec2.describe_snapshots(Filters=[{"Name": "tag:team", "Values": ["x"]}])
    aws.equal([one["SnapshotId"] for one in by_tag["Snapshots"]], [made], "found by tag")
    aws.ec2.delete_snapshot(SnapshotId=made)
    with aws.refused("InvalidSnapshot.NotFound", 400):
        aws.ec2.describe_snapshots(SnapshotIds=[made])
    with aws.refused("InvalidSnapshot.NotFound", 400):
        aws.ec2.delete_snapshot(SnapshotId=made)


@checks.check("lists of snapshots come in pages")
def snapshot_pages(aws):
    for _ in range(6):
        snapshot(aws, "page")
    paginator = aws.ec2.get_paginator("describe_snapshots")
    pages = list(paginator.paginate(Filters=[{"Name": "description", "Values": ["page"]}],
                                    PaginationConfig={"PageSize": 5}))
    aws.equal([len(page["Snapshots"]) for page in pages], [5, 1], "sizes of the pages")


@checks.check("a registered image is found by id, name, tag and owner")
def register(aws):
    made = image(aws, "register-1", Description="words",
                 TagSpecifications=tagged("image", workload="web"))
    found = described(aws, made)
    aws.equal((found["Name"], found["State"], found["OwnerId"] == ACCOUNT),
              ("register-1", "available", True), "name, state and owner")
    aws.equal(found["BlockDeviceMappings"][0]["Ebs"]["VolumeSize"], 1, "size of its volume")
    for filters in [{"name": "register-*"}, {"tag:workload": "web"}, {"tag-key": "workload"},
                    {"image-id": made}, {"name": "register-?", "state": "available"}]:
        answer = aws.ec2.describe_images(Owners=["self"], Filters=[
            {"Name": name, "Values": [value]} for name, value in filters.items()])
        aws.equal([one["ImageId"] for one in answer["Images"]], [made], f"found by {filters}")
    answer = aws.ec2.describe_images(
        Owners=["self"], Filters=[{"Name": "name", "Values": ["nothing-*"]}])
    aws.equal(answer["Images"], [], "an empty list is there")


@checks.check("lists of images come in pages")
def image_pages(aws):
    device = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": snapshot(aws, "shared")}}
    for number in range(7):
        aws.ec2.register_image(Name=f"page-{number}", RootDeviceName="/dev/xvda",
                               VirtualizationType="hvm", Architecture="x86_64",
                               BlockDeviceMappings=[device])
    paginator = aws.ec2.get_paginator("describe_images")
    pages = list(paginator.paginate(Owners=["self"],
                                    Filters=[{"Name": "name", "Values": ["page-*"]}],
                                    PaginationConfig={"PageSize": 3}))
    names = [one["Name"] for page in pages for one in page["Images"]]
    aws.equal(sorted(names), [f"page-{number}" for number in range(7)], "every image once")
    aws.equal(len(pages), 3, "in three pages")


@checks.check("a deregistered image is gone and frees its snapshot")
def deregister(aws):
    made = image(aws, "deregister")
    held = described(aws, made)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    with aws.refused("InvalidSnapshot.InUse", 400):
        aws.ec2.delete_snapshot(SnapshotId=held)
    aws.ec2.deregister_image(ImageId=made)
    with aws.refused("InvalidAMIID.NotFound", 400):
        aws.ec2.describe_images(ImageIds=[made])
    aws.ec2.delete_snapshot(SnapshotId=held)
    again = image(aws, "deregister")
    answer = aws.ec2.deregister_image(ImageId=again, DeleteAssociatedSnapshots=True)
    aws.equal([one["ReturnCode"] for one in answer["DeleteSnapshotResults"]], ["success"],
              "its snapshot goes with it")


@checks.check("a name can be used once, and some names not at all")
def names(aws):
    made = image(aws, "taken")
    mapping = described(aws, made)["BlockDeviceMappings"][0]["Ebs"]["SnapshotId"]
    device = {"DeviceName": "/dev/xvda", "Ebs": {"SnapshotId": mapping}}
    def register(name):
        aws.ec2.register_image(Name=name, RootDeviceName="/dev/xvda", BlockDeviceMappings=[device],
                               VirtualizationType="hvm", Architecture="x86_64")
    with aws.refused("InvalidAMIName.Duplicate", 400):
        register("taken")
    with aws.refused("InvalidAMIName.Malformed", 400):
        register("semi;colon")


@checks.check("identifiers that are none, or that nothing has, are refused")
def identifiers(aws):
    missing = "ami-0123456789abcdef0"
    with aws.refused("InvalidAMIID.NotFound", 400):
        aws.ec2.describe_images(ImageIds=[missing])
    with aws.refused("InvalidAMIID.Malformed", 400):
        aws.ec2.describe_images(ImageIds=["nonsense"])
    with aws.refused("InvalidAMIID.NotFound", 400):
        aws.ec2.deregister_image(ImageId=missing)
    with aws.refused("InvalidSnapshot.NotFound", 400):
        aws.ec2.describe_snapshots(SnapshotIds=["snap-0123456789abcdef0"])
    with aws.refused("InvalidVolume.NotFound", 400):
        aws.ec2.create_snapshot(VolumeId="vol-0123456789abcdef0")
    with aws.refused("InvalidAMIID.NotFound", 400):
        aws.ec2.create_tags(Resources=[missing], Tags=[{"Key": "a", "Value": "b"}])


@checks.check("tags are set, described, replaced and removed")
def tags(aws):
    made = image(aws, "tags")
    aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "1"},
                                                {"Key": "b", "Value": "2"}])
    aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "a", "Value": "3"}])
    of_image = [{"Name": "resource-id", "Values": [made]}]
    answer = aws.ec2.describe_tags(Filters=of_image)
    aws.equal({tag["Key"]: tag["Value"] for tag in answer["Tags"]}, {"a": "3", "b": "2"}, "tags")
    aws.ec2.delete_tags(Resources=[made], Tags=[{"Key": "a", "Value": "other"}, {"Key": "b"}])
    aws.equal(described(aws, made)["Tags"], [{"Key": "a", "Value": "3"}],
              "a tag of another value stays")
    with aws.refused("InvalidParameterValue", 400):
        aws.ec2.create_tags(Resources=[made], Tags=[{"Key": "aws:mine", "Value": "x"}])


@checks.check("an image is copied, with its origin")
def copy(aws):
    made = image(aws, "copy-from", Description="words")
    answer = aws.ec2.copy_image(Name="copy-to", SourceImageId=made, SourceRegion="us-east-1",
                                Description="copied")
    aws.wait(aws.ec2, "image_available", ImageIds=[answer["ImageId"]])
    found = described(aws, answer["ImageId"])
    aws.equal((found["Name"], found["Description"]), ("copy-to", "copied"), "name, description")
    aws.equal(found.get("SourceImageId"), made, "where it comes from")


@checks.check("an image is shared with an account and then unshared")
def share(aws):
    made = image(aws, "share")
    other = {"UserId": "222222222222"}
    aws.ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Add": [other]})
    answer = aws.ec2.describe_image_attribute(ImageId=made, Attribute="launchPermission")
    aws.equal(answer["LaunchPermissions"], [other], "shared")
    seen = aws.client("ec2", account="222222222222").describe_images(ImageIds=[made])
    aws.expect("Tags" not in seen["Images"][0], "tags are not seen")
    aws.ec2.modify_image_attribute(ImageId=made, LaunchPermission={"Remove": [other]})
    answer = aws.ec2.describe_image_attribute(ImageId=made, Attribute="launchPermission")
    aws.equal(answer["LaunchPermissions"], [], "no longer")
    aws.ec2.modify_image_attribute(ImageId=made, Description={"Value": "new words"})
    answer = aws.ec2.describe_image_attribute(ImageId=made, Attribute="description")
    aws.equal(answer["Description"]["Value"], "new words", "description")


@checks.check("a disabled image is hidden until it is enabled")
def disable(aws):
    made = image(aws, "disable")
    aws.ec2.disable_image(ImageId=made)
    by_name = {"Owners": ["self"], "Filters": [{"Name": "name", "Values": ["disable"]}]}
    aws.equal(aws.ec2.describe_images(**by_name)["Images"], [], "hidden")
    [found] = aws.ec2.describe_images(IncludeDisabled=True, **by_name)["Images"]
    aws.equal(found["State"], "disabled", "state")
    aws.ec2.enable_image(ImageId=made)
    aws.equal(described(aws, made)["State"], "available", "back")


@checks.check("a protected image cannot be deregistered")
def protect(aws):
    made = image(aws, "protect")
    aws.ec2.enable_image_deregistration_protection(ImageId=made)
    with aws.refused("OperationNotPermitted", 400):
        aws.ec2.deregister_image(ImageId=made)
    aws.ec2.disable_image_deregistration_protection(ImageId=made)
    aws.ec2.deregister_image(ImageId=made)


@checks.check("EBS encryption by default is switched on and off")
def encryption(aws):
    aws.equal(aws.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"], False, "off")
    aws.ec2.enable_ebs_encryption_by_default()
    aws.equal(aws.ec2.get_ebs_encryption_by_default()["EbsEncryptionByDefault"], True, "on")
    aws.ec2.get_ebs_default_kms_key_id()
    key = aws.kms.create_key()["KeyMetadata"]["Arn"]
    aws.ec2.modify_ebs_default_kms_key_id(KmsKeyId=key)
    aws.equal(aws.ec2.get_ebs_default_kms_key_id().get("KmsKeyId"), key, "own key")
    made = snapshot(aws, "encrypted")
    [found] = aws.ec2.describe_snapshots(SnapshotIds=[made])["Snapshots"]
    aws.equal((found["Encrypted"], found.get("KmsKeyId")), (True, key), "new data is encrypted")
    aws.ec2.reset_ebs_default_kms_key_id()
    aws.ec2.disable_ebs_encryption_by_default()


@checks.check("a dry run answers with an error either way")
def dry_run(aws):
    with aws.refused("DryRunOperation", 412):
        aws.ec2.describe_images(DryRun=True)
    made = image(aws, "dry-run")
    with aws.refused("DryRunOperation", 412):
        aws.ec2.deregister_image(ImageId=made, DryRun=True)
    aws.equal(described(aws, made)["State"], "available", "nothing happened")


@checks.check("Regions and zones are listed")
def places(aws):
    regions = aws.ec2.describe_regions(RegionNames=["us-east-1", "us-west-2"])["Regions"]
    aws.equal(sorted(one["RegionName"] for one in regions), ["us-east-1", "us-west-2"], "Regions")
    zones = aws.ec2.describe_availability_zones(
        Filters=[{"Name": "zone-name", "Values": [ZONE]}])["AvailabilityZones"]
    aws.equal([one["ZoneName"] for one in zones], [ZONE], "zones")


@checks.check("an image is stored in a bucket and restored from it")
def store(aws):
    aws.s3.create_bucket(Bucket="store-bucket")
    made = image(aws, "store", size=8, Description="words",
                 TagSpecifications=tagged("image", workload="db"))
    answer = aws.ec2.create_store_image_task(
        ImageId=made, Bucket="store-bucket/some/path",
        S3ObjectTags=[{"Key": "kept", "Value": "yes"}])
    key = f"some/path/{made}.bin"
    aws.equal(answer.get("ObjectKey"), key, "key")
    aws.ec2.describe_store_image_tasks(Filters=[{"Name": "bucket", "Values": ["store-bucket"]}])
    aws.wait(aws.ec2, "store_image_task_complete", ImageIds=[made])
    [task] = aws.ec2.describe_store_image_tasks(ImageIds=[made])["StoreImageTaskResults"]
    aws.equal((task["StoreTaskState"], task["ProgressPercentage"], task["S3objectKey"]),
              ("Completed", 100, key), "the finished task")
    aws.wait(aws.s3, "object_exists", Bucket="store-bucket", Key=key)
    head = aws.s3.head_object(Bucket="store-bucket", Key=key)
    aws.expect("-" in head["ETag"], "the object came as a multipart upload")
    tags = aws.s3.get_object_tagging(Bucket="store-bucket", Key=key)["TagSet"]
    aws.equal(tags, [{"Key": "kept", "Value": "yes"}], "its tags")
    restored = aws.ec2.create_restore_image_task(
        Bucket="store-bucket", ObjectKey=key, Name="restored",
        TagSpecifications=tagged("image", origin="bin"))["ImageId"]
    aws.expect(described(aws, restored)["State"] in ("pending", "available"), "it is there at once")
    aws.wait(aws.ec2, "image_available", ImageIds=[restored])
    found = described(aws, restored)
    aws.equal((found["Name"], found["Description"], found["SourceImageId"]),
              ("restored", "words", made), "what was stored")
    aws.equal({tag["Key"]: tag["Value"] for tag in found["Tags"]},
              {"workload": "db", "origin": "bin"}, "tags of both")
    ebs = found["BlockDeviceMappings"][0]["Ebs"]
    aws.equal(ebs["VolumeSize"], 8, "size of its volume")
    aws.wait(aws.ec2, "snapshot_completed", SnapshotIds=[ebs["SnapshotId"]])


@checks.check("store tasks are listed by state and in pages")
def store_tasks(aws):
    aws.s3.create_bucket(Bucket="task-bucket")
    made = [image(aws, f"task-{number}") for number in range(3)]
    for identifier in made:
        aws.ec2.create_store_image_task(ImageId=identifier, Bucket="task-bucket")
    aws.wait(aws.ec2, "store_image_task_complete", ImageIds=made)
    in_bucket = [{"Name": "bucket", "Values": ["task-bucket"]},
                 {"Name": "task-state", "Values": ["Completed"]}]
    pages = list(aws.ec2.get_paginator("describe_store_image_tasks").paginate(
        Filters=in_bucket, PaginationConfig={"PageSize": 2}))
    found = [task["AmiId"] for page in pages for task in page["StoreImageTaskResults"]]
    aws.equal(found, made[::-1], "newest first")
    aws.equal(len(pages), 2, "two pages")


@checks.check("store and restore requests that cannot be are refused")
def store_refused(aws):
    aws.s3.create_bucket(Bucket="refuse-bucket")
    made = image(aws, "refuse")
    store = {"ImageId": made, "Bucket": "refuse-bucket"}
    with aws.refused("DryRunOperation", 412):
        aws.ec2.create_store_image_task(DryRun=True, **store)
    with aws.refused("InvalidAMIID.NotFound", 400):
        aws.ec2.create_store_image_task(ImageId="ami-0123456789abcdef0", Bucket="refuse-bucket")
    with aws.refused("InaccessibleStorageLocation", 400):
        aws.ec2.create_store_image_task(ImageId=made, Bucket="no-such-bucket-at-all")
    with aws.refused("InvalidParameterValue", 400):
        aws.ec2.create_restore_image_task(Bucket="refuse-bucket", ObjectKey="none.bin", Name="none")
    aws.ec2.create_store_image_task(**store)
    with aws.refused("InvalidRequest", 400):
        aws.ec2.create_store_image_task(**store)
    aws.wait(aws.ec2, "store_image_task_complete", ImageIds=[made])
    with aws.refused("InvalidAMIName.Duplicate", 400):
        aws.ec2.create_restore_image_task(Bucket="refuse-bucket", ObjectKey=f"{made}.bin",
                                          Name="refuse")
    with aws.refused("InvalidParameterCombination", 400):
        aws.ec2.describe_store_image_tasks(ImageIds=[made], MaxResults=5)
    with aws.refused("InvalidParameterValue", 400):
        aws.ec2.describe_store_image_tasks(ImageIds=[made] * 21)
    with aws.refused("InvalidParameterValue", 400):
        aws.ec2.describe_store_image_tasks(Filters=[{"Name": "colour", "Values": ["red"]}])


@checks.check("an object that is no stored image makes an image that fails")
def broken_restore(aws):
    aws.s3.create_bucket(Bucket="broken-bucket")
    aws.s3.put_object(Bucket="broken-bucket", Key="ami.bin", Body=b"not an image")
    made = aws.ec2.create_restore_image_task(Bucket="broken-bucket", ObjectKey="ami.bin",
                                             Name="broken")["ImageId"]
    aws.wait_in_vain(aws.ec2, "image_available", ImageIds=[made])
    found = described(aws, made)
    aws.equal(found["State"], "failed", "state")
    aws.expect(found["StateReason"]["Message"], "the reason is given")


@checks.check("the aws CLI stores, waits, restores and describes", ours_only="the CLI is botocore")
def cli(aws):
    aws.s3.create_bucket(Bucket="cli-bucket")
    made = image(aws, "cli", size=2)
    [found] = aws.cli("ec2", "describe-images", "--image-ids", made)["Images"]
    aws.equal(found["Name"], "cli", "name")
    key = aws.cli("ec2", "create-store-image-task", "--image-id", made,
                  "--bucket", "cli-bucket")["ObjectKey"]
    aws.cli("ec2", "wait", "store-image-task-complete", "--image-ids", made)
    [task] = aws.cli("ec2", "describe-store-image-tasks",
                     "--image-ids", made)["StoreImageTaskResults"]
    aws.equal(task["StoreTaskState"], "Completed", "state of the task")
    restored = aws.cli("ec2", "create-restore-image-task", "--object-key", key,
                       "--bucket", "cli-bucket", "--name", "cli restored")["ImageId"]
    aws.wait(aws.ec2, "image_available", ImageIds=[restored])
    names = aws.cli("ec2", "describe-images", "--owners", "self", "--query", "Images[].Name",
                    "--filters", f"Name=source-image-id,Values={made}")
    aws.equal(names, ["cli restored"], "found by its source")
    aws.cli("ec2", "create-tags", "--resources", restored, "--tags", "Key=by,Value=cli")
    aws.cli("ec2", "deregister-image", "--image-id", restored)
    error = aws.cli("ec2", "describe-images", "--image-ids", restored, status=255)
    aws.expect("(InvalidAMIID." in error, f"the CLI names the code: {error}")


if __name__ == "__main__":
    main("ec2", checks)
