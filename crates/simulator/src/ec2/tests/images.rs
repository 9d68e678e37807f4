//! What `DescribeImages` shows to whom, and what registering and copying make.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::Settings;
use crate::ec2::settings::Throttling;
use crate::ec2::{image as read, set_default_encryption, snapshots};
use crate::iam::{RoleSpec, create_role};
use crate::testing::{OTHER, call as call_service, pass, world, world_with};

#[tokio::test(start_paused = true)]
async fn what_names_an_image_and_what_is_made_of_a_snapshot_can_be_asked() {
    let world = world();
    let id = image(&world, "web", 8);
    let other = image(&world, "other", 8).to_string();
    let place = (account(ACCOUNT), region(REGION));
    let snapshot = {
        let mut state = world.lock();
        let site = state.ec2.get_mut(&place).unwrap();
        let of_it = site.references.entry(id.clone()).or_default();
        of_it.insert(
            "arn:aws:ec2:us-east-1:111111111111:instance/i-1".into(),
            "ec2:Instance".into(),
        );
        of_it.insert(
            "arn:aws:ssm:us-east-1:111111111111:parameter/p".into(),
            "ssm:Parameter".into(),
        );
        site.images[&id].snapshots().next().unwrap().to_string()
    };
    let id = id.to_string();
    let all = ("IncludeAllResourceTypes", "true");
    let ask = [("ImageId.1", id.as_str()), all];
    let reply = call(&world, "DescribeImageReferences", &ask).await;
    assert_eq!(reply.text.matches("<resourceType>").count(), 2, "{}", reply.text);
    let page = [&ask[..], &[("MaxResults", "1")]].concat();
    let first = call(&world, "DescribeImageReferences", &page).await;
    let token = first.element("nextToken").unwrap();
    let next = [&page[..], &[("NextToken", token.as_str())]].concat();
    let second = call(&world, "DescribeImageReferences", &next).await;
    assert_eq!(second.element("resourceType").as_deref(), Some("ssm:Parameter"));
    assert_eq!(second.element("nextToken"), None);
    let none = call(&world, "DescribeImageReferences", &[("ImageId.1", other.as_str()), all]).await;
    assert_eq!(none.element("arn"), None, "{}", none.text);
    let untyped = call(&world, "DescribeImageReferences", &ask[..1]).await;
    assert_code(&untyped, 400, "MissingParameter");
    let filter = [
        ("Filter.1.Name", "block-device-mapping.snapshot-id"),
        ("Filter.1.Value.1", snapshot.as_str()),
    ];
    let made = call(&world, "DescribeImages", &filter).await;
    assert_eq!(made.element("imageId"), Some(id), "{}", made.text);
    assert!(!made.text.contains(&other), "{}", made.text);
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_codes_of_aws() {
    let world = world();
    let mine = image(&world, "mine", 8).to_string();
    for (action, parameters, status, code) in [
        ("DescribeImages", vec![("ImageId.1", "ami-00000000")], 400, "InvalidAMIID.NotFound"),
        ("DescribeImages", vec![("ImageId.1", "ami-XYZ")], 400, "InvalidAMIID.Malformed"),
        ("DescribeImages", vec![("MaxResults", "0")], 400, "InvalidParameterValue"),
        ("DescribeImages", vec![("MaxResults", "many")], 400, "InvalidParameterValue"),
        ("DescribeImages", vec![("NextToken", "!")], 400, "InvalidNextToken"),
        (
            "DescribeImages",
            vec![("Filter.1.Name", "colour"), ("Filter.1.Value.1", "red")],
            400,
            "InvalidParameterValue",
        ),
        ("DescribeImages", vec![("DryRun", "true")], 412, "DryRunOperation"),
        ("DeregisterImage", vec![], 400, "MissingParameter"),
        ("DeregisterImage", vec![("ImageId", "ami-00000000")], 400, "InvalidAMIID.NotFound"),
        ("DeregisterImage", vec![("ImageId", &mine), ("DryRun", "true")], 412, "DryRunOperation"),
        ("RegisterImage", vec![("Name", "ab")], 400, "InvalidAMIName.Malformed"),
        ("RegisterImage", vec![("Name", "a#c")], 400, "InvalidAMIName.Malformed"),
        ("RegisterImage", vec![("Name", "mine")], 400, "InvalidAMIName.Duplicate"),
        ("RegisterImage", vec![("Name", "none")], 400, "InvalidBlockDeviceMapping"),
        (
            "CreateImage",
            vec![("Name", "new"), ("InstanceId", "i-00000000")],
            400,
            "InvalidInstanceID.NotFound",
        ),
        (
            "CopyImage",
            vec![("Name", "new"), ("SourceImageId", "ami-00000000"), ("SourceRegion", REGION)],
            400,
            "InvalidAMIID.NotFound",
        ),
        ("DescribeVpcs", vec![], 501, "NotImplemented"),
    ] {
        let reply = call(&world, action, &parameters).await;
        assert_code(&reply, status, code);
    }
    assert_ok(&call(&world, "DescribeImages", &[("ImageId.1", &mine)]).await);
    let calls = world.lock().calls.get(&("ec2", "DescribeVpcs".to_owned())).copied();
    assert_eq!(calls, Some(1), "unknown operations are counted too");
}

#[tokio::test(start_paused = true)]
async fn pages_cover_every_matching_image_once() {
    let world = world();
    for number in 0..5 {
        image(&world, &format!("web-{number}"), 8);
    }
    image(&world, "db-0", 8);
    let mut parameters =
        vec![("Filter.1.Name", "name"), ("Filter.1.Value.1", "web-*"), ("MaxResults", "2")];
    let mut seen = Vec::new();
    let mut token;
    for expected in [2, 2, 1] {
        let reply = call(&world, "DescribeImages", &parameters).await;
        let ids = elements(&reply, "imageId");
        assert_eq!(ids.len(), expected, "{}", reply.text);
        seen.extend(ids);
        token = reply.element("nextToken").unwrap_or_default();
        parameters.truncate(3);
        if expected == 2 {
            parameters.push(("NextToken", token.leak()));
        } else {
            assert_eq!(token, "");
        }
    }
    assert_eq!(seen.iter().collect::<BTreeSet<_>>().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn filters_select_by_tag_state_and_kind() {
    let world = world();
    let tags = [("family".to_owned(), "web".to_owned())].into();
    let tagged = put(&world, ImageSpec { name: "tagged".to_owned(), tags, ..Default::default() });
    image(&world, "plain", 8);
    let me = ACCOUNT.to_owned();
    for (name, value, expected) in [
        ("tag:family", "w*", vec![&tagged]),
        ("tag:family", "db", vec![]),
        ("tag-key", "family", vec![&tagged]),
        ("image-id", tagged.as_str(), vec![&tagged]),
        ("name", "t?gged", vec![&tagged]),
        ("architecture", "arm64", vec![]),
        ("state", "pending", vec![]),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let reply = call(&world, "DescribeImages", &filter).await;
        let expected: Vec<String> = expected.into_iter().map(ToString::to_string).collect();
        assert_eq!(elements(&reply, "imageId"), expected, "{name}={value}");
    }
    for (name, value) in [
        ("owner-id", me.as_str()),
        ("root-device-type", "ebs"),
        ("virtualization-type", "hvm"),
        ("state", "available"),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let reply = call(&world, "DescribeImages", &filter).await;
        assert_eq!(elements(&reply, "imageId").len(), 2, "{name}={value}");
    }
}

#[tokio::test(start_paused = true)]
async fn others_see_an_image_only_while_it_is_shared_and_enabled() {
    let world = world();
    let id = image(&world, "shared", 8).to_string();
    let own = [("ImageId", id.as_str())];
    let asked = [("ImageId.1", id.as_str())];
    let look = async || call_in(&world, REGION, OTHER, "DescribeImages", &asked).await;
    assert_code(&look().await, 400, "InvalidAMIID.NotFound");
    let share = [own[0], ("LaunchPermission.Add.1.UserId", OTHER)];
    assert_ok(&call(&world, "ModifyImageAttribute", &share).await);
    assert_ok(&look().await);
    let theirs = call_in(&world, REGION, OTHER, "DeregisterImage", &own).await;
    assert_code(&theirs, 403, "AuthFailure");
    assert_ok(&call(&world, "DisableImage", &own).await);
    assert_code(&look().await, 400, "InvalidAMIID.NotFound");
    assert_eq!(elements(&call(&world, "DescribeImages", &[]).await, "imageId"), [""; 0]);
    let all = call(&world, "DescribeImages", &[("IncludeDisabled", "true")]).await;
    assert_eq!(elements(&all, "imageState"), ["disabled"]);
    assert_ok(&call(&world, "EnableImage", &own).await);
    assert_code(&look().await, 400, "InvalidAMIID.NotFound");
}

#[tokio::test(start_paused = true)]
async fn imds_v2_is_demanded_of_an_image_once_and_for_all() {
    let world = world();
    let id = image(&world, "hardened", 8).to_string();
    let own = [("ImageId", id.as_str())];
    let looked = async || elements(&call(&world, "DescribeImages", &[]).await, "imdsSupport");
    assert_eq!(looked().await, [""; 0]);
    for _ in 0..2 {
        let demand = [own[0], ("ImdsSupport.Value", "v2.0")];
        assert_ok(&call(&world, "ModifyImageAttribute", &demand).await);
        assert_eq!(looked().await, ["v2.0"]);
    }
    let lax = [own[0], ("ImdsSupport.Value", "v1.0")];
    let refused = call(&world, "ModifyImageAttribute", &lax).await;
    assert_code(&refused, 400, "InvalidParameterValue");
    assert_eq!(looked().await, ["v2.0"]);
}

#[tokio::test(start_paused = true)]
async fn a_new_image_flickers_until_its_window_has_passed() {
    let mut settings = Settings::default();
    settings.ec2.consistency_window = Duration::from_secs(60);
    let world = world_with(settings);
    let id = image(&world, "new", 8).to_string();
    let calls = [
        ("DescribeImages", vec![("ImageId.1", id.as_str())]),
        ("EnableImageDeregistrationProtection", vec![("ImageId", &id)]),
        ("CreateTags", vec![("ResourceId.1", &id), ("Tag.1.Key", "k")]),
    ];
    for expected in [BTreeSet::from([200, 400]), BTreeSet::from([200])] {
        for (action, parameters) in &calls {
            let mut statuses = BTreeSet::new();
            for _ in 0..20 {
                statuses.insert(call(&world, action, parameters).await.status);
            }
            assert_eq!(statuses, expected, "{action}");
        }
        pass(&world, 60).await;
    }
}

#[tokio::test(start_paused = true)]
async fn each_operation_has_its_own_token_bucket() {
    let world = world();
    let store = [("ImageId", "ami-00000000"), ("Bucket", "staging")];
    for _ in 0..50 {
        let reply = call(&world, "CreateStoreImageTask", &store).await;
        assert_code(&reply, 400, "InvalidAMIID.NotFound");
    }
    let dry = call(&world, "CreateStoreImageTask", &store).await;
    assert_code(&dry, 503, "RequestLimitExceeded");
    assert_ok(&call(&world, "DescribeStoreImageTasks", &[]).await);
    let other = call_in(&world, REGION, OTHER, "CreateStoreImageTask", &store).await;
    assert_code(&other, 400, "InvalidAMIID.NotFound");
    pass(&world, 10).await;
    let refilled = call(&world, "CreateStoreImageTask", &store).await;
    assert_code(&refilled, 400, "InvalidAMIID.NotFound");
    let again = call(&world, "CreateStoreImageTask", &store).await;
    assert_code(&again, 503, "RequestLimitExceeded");
}

#[tokio::test(start_paused = true)]
async fn throttling_can_be_switched_off() {
    let mut settings = Settings::default();
    settings.ec2.throttling = Throttling::Off;
    let world = world_with(settings);
    for _ in 0..200 {
        assert_ok(&call(&world, "DescribeStoreImageTasks", &[]).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_takes_time_and_follows_the_encryption_of_its_destination() {
    let world = world();
    let source = image(&world, "source", 100);
    let key = key(&world, ACCOUNT, ELSEWHERE);
    let (me, there) = (account(ACCOUNT), region(ELSEWHERE));
    set_default_encryption(&mut world.lock(), &me, &there, Some(key));
    let request = [
        ("Name", "copy"),
        ("SourceImageId", source.as_str()),
        ("SourceRegion", REGION),
        ("ClientToken", "t1"),
    ];
    let reply = call_in(&world, ELSEWHERE, ACCOUNT, "CopyImage", &request).await;
    let id = reply.element("imageId").unwrap();
    let again = call_in(&world, ELSEWHERE, ACCOUNT, "CopyImage", &request).await;
    assert_eq!(again.element("imageId").as_deref(), Some(id.as_str()), "{}", again.text);
    let mut other = request;
    other[0].1 = "another name";
    let mismatch = call_in(&world, ELSEWHERE, ACCOUNT, "CopyImage", &other).await;
    assert_code(&mismatch, 400, "IdempotentParameterMismatch");
    let asked = [("ImageId.1", id.as_str())];
    let look = async || call_in(&world, ELSEWHERE, ACCOUNT, "DescribeImages", &asked).await;
    assert_eq!(look().await.element("imageState").as_deref(), Some("pending"));
    pass(&world, 60 + 1_074).await;
    let done = look().await;
    assert_eq!(done.element("imageState").as_deref(), Some("available"));
    assert_eq!(done.element("encrypted").as_deref(), Some("true"));
    assert_eq!(done.element("sourceImageId").as_deref(), Some(source.as_str()));
    let state = world.lock();
    let data = |region, id: &ImageId| snapshots(&state, &me, region, id)[0].data;
    assert_eq!(data(&there, &id.parse().unwrap()), data(&region(REGION), &source));
}

#[tokio::test(start_paused = true)]
async fn a_session_may_do_what_its_role_says_and_a_denial_names_all() {
    let world = world();
    let id = image(&world, "guarded", 8).to_string();
    let trust = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::111111111111:root"},"Action":"sts:AssumeRole"}}"#;
    let permissions = r#"{"Version":"2012-10-17","Statement":[
        {"Effect":"Allow","Action":["ec2:DescribeImages","ec2:DeregisterImage","ec2:CopyImage"],"Resource":"*"},
        {"Effect":"Deny","Action":"ec2:DeregisterImage","Resource":"*",
         "Condition":{"StringEquals":{"aws:ResourceTag/keep":"yes"}}}]}"#;
    let role = RoleSpec {
        name: "worker",
        trust_json: trust,
        permissions_json: permissions,
        max_session: 3_600,
    };
    create_role(&mut world.lock(), &account(ACCOUNT), &role).unwrap();
    let form = "Action=AssumeRole&Version=2011-06-15&RoleSessionName=s1\
                &RoleArn=arn:aws:iam::111111111111:role/worker";
    let session = call_service(&world, ACCOUNT, "sts", &[], form).await;
    let key = session.element("AccessKeyId").unwrap();
    let token = session.element("SessionToken").unwrap();
    let token = [("x-amz-security-token", token.as_str())];
    let ask = async |action, parameters: &[(&str, &str)]| {
        call_with(&world, REGION, &key, &token, action, parameters).await
    };
    assert_ok(&ask("DescribeImages", &[]).await);
    let denied = ask("DisableImage", &[("ImageId", &id)]).await;
    assert_code(&denied, 403, "UnauthorizedOperation");
    for part in [
        "arn:aws:sts::111111111111:assumed-role/worker/s1",
        "ec2:DisableImage",
        &format!("arn:aws:ec2:us-east-1::image/{id}"),
    ] {
        assert!(denied.text.contains(part), "{part} in {}", denied.text);
    }
    let copy = [("Name", "copy"), ("SourceImageId", id.as_str()), ("SourceRegion", REGION)];
    let tag = [
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "k"),
        ("TagSpecification.1.Tag.1.Value", "v"),
    ];
    let tagged = ask("CopyImage", &[&copy[..], &tag[..]].concat()).await;
    assert_code(&tagged, 403, "UnauthorizedOperation");
    assert!(tagged.text.contains("ec2:CreateTags"), "{}", tagged.text);
    assert_ok(&ask("CopyImage", &copy).await);
    let keep = [("ResourceId.1", id.as_str()), ("Tag.1.Key", "keep"), ("Tag.1.Value", "yes")];
    assert_ok(&call(&world, "CreateTags", &keep).await);
    let kept = ask("DeregisterImage", &[("ImageId", &id)]).await;
    assert_code(&kept, 403, "UnauthorizedOperation");
    assert!(
        read(&world.lock(), &account(ACCOUNT), &region(REGION), &id.parse().unwrap()).is_some()
    );
}
