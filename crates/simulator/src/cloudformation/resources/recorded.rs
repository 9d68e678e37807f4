//! Types without a service here: they are recorded with names and ARNs as AWS gives them, and have no
//! effect. No task runs, no alarm fires, no log is kept.

use super::properties::Properties;
use super::{CHOSEN, Ground, Made, Wish, made};

pub(super) fn log_group(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let name = named(ground, wish, "LogGroupName")?;
    let arn = ground.arn("logs", &format!("log-group:{name}:*"));
    Ok(made(name.clone(), [("Arn", arn), (CHOSEN, name)]))
}

pub(super) fn alarm(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let name = named(ground, wish, "AlarmName")?;
    let arn = ground.arn("cloudwatch", &format!("alarm:{name}"));
    Ok(made(name.clone(), [("Arn", arn), (CHOSEN, name)]))
}

pub(super) fn cluster(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let name = named(ground, wish, "ClusterName")?;
    let arn = ground.arn("ecs", &format!("cluster/{name}"));
    Ok(made(name.clone(), [("Arn", arn), (CHOSEN, name)]))
}

/// Every change of a task definition is a further revision.
pub(super) fn task_definition(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let family = named(ground, wish, "Family")?;
    let before = wish.old.and_then(|old| old.physical.rsplit(':').next()?.parse::<u32>().ok());
    let revision = before.unwrap_or_default().saturating_add(1);
    let arn = ground.arn("ecs", &format!("task-definition/{family}:{revision}"));
    Ok(made(arn.clone(), [("TaskDefinitionArn", arn), (CHOSEN, family)]))
}

pub(super) fn service(ground: &mut Ground<'_>, wish: &Wish<'_>) -> Result<Made, String> {
    let name = named(ground, wish, "ServiceName")?;
    let cluster = wish.properties.text("Cluster")?.unwrap_or_else(|| "default".to_owned());
    let arn = ground.arn("ecs", &format!("service/{cluster}/{name}"));
    Ok(made(arn.clone(), [("ServiceArn", arn), ("Name", name.clone()), (CHOSEN, name)]))
}

fn named(ground: &mut Ground<'_>, wish: &Wish<'_>, property: &str) -> Result<String, String> {
    let given = wish.properties.text(property)?;
    Ok(ground.name(wish, given))
}

pub(super) fn delete(_: &mut Ground<'_>, _: &Made, _: &Properties<'_>) -> Result<(), String> {
    Ok(())
}
