//! Subcommands about name servers: permissions, key-value configuration, settings.
use super::{show, Call};
use crate::failure::Failure;

super::commands! {
    "wipeWritePerm", "Wipe write perm of broker in all name server you defined in the -n param.", wipe,
        ["b" "brokerName" Must "broker name"];
    "addWritePerm", "Add write perm of broker in all name server you defined in the -n param.", add,
        ["b" "brokerName" Must "broker name"];
    "updateKvConfig", "Create or update KV config.", update_kv,
        ["s" "namespace" Must "set the namespace", "k" "key" Must "set the key name", "v" "value" Must "set the key value"];
    "deleteKvConfig", "Delete KV config.", delete_kv,
        ["s" "namespace" Must "set the namespace", "k" "key" Must "set the key name"];
    "getNamesrvConfig", "Get configs of name server.", config, [];
}

async fn wipe(call: &Call) -> Result<String, Failure> {
    let broker = call.need("b").trim();
    let mut out = String::new();
    for namesrv in call.admin.name_servers() {
        let count = call.admin.wipe_write_perm(namesrv, broker).await.map_err(Failure::new)?;
        out += &format!("wipe write perm of broker[{broker}] in name server[{namesrv}] OK, {count}\n");
    }
    Ok(out)
}

async fn add(call: &Call) -> Result<String, Failure> {
    let broker = call.need("b").trim();
    let mut out = String::new();
    for namesrv in call.admin.name_servers() {
        let count = call.admin.add_write_perm(namesrv, broker).await.map_err(Failure::new)?;
        out += &format!("add write perm of broker[{broker}] in name server[{namesrv}] OK, {count}\n");
    }
    Ok(out)
}

async fn update_kv(call: &Call) -> Result<String, Failure> {
    call.admin.put_kv(call.need("s"), call.need("k"), call.need("v")).await.map_err(Failure::new)?;
    Ok("create or update kv config to namespace success.\n".into())
}

async fn delete_kv(call: &Call) -> Result<String, Failure> {
    call.admin.delete_kv(call.need("s"), call.need("k")).await.map_err(Failure::new)?;
    Ok("delete kv config from namespace success.\n".into())
}

async fn config(call: &Call) -> Result<String, Failure> {
    let mut out = String::new();
    for namesrv in call.admin.name_servers() {
        let settings = call.admin.name_server_config(namesrv).await.map_err(Failure::new)?;
        out += &show::settings(namesrv, &settings);
    }
    Ok(out)
}
