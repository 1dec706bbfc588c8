//! Apache's own name server and broker, on free loopback ports, in a folder of the caller.
use crate::java::{write_logging, JVM};
use crate::{free_port_triple, Jars, JavaError, Process, Release};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest time from a broker's "boot success" until its name server lists it.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);
/// Longest answer that is read.
const ANSWER_MAX: u32 = 1 << 20;
const UPDATE_BROKER_CONFIG: i32 = 25;
const GET_BROKER_CLUSTER_INFO: i32 = 106;

/// A running Apache server.
#[derive(Debug)]
pub struct Apache {
    /// `127.0.0.1:port`.
    pub address: String,
    process: Process,
}

impl Apache {
    /// Starts a name server; ready when this returns.
    pub fn name_server(release: Release, folder: &Path) -> Result<Apache, JavaError> {
        let port = free_port_triple().map_err(|e| e.to_string())?;
        let conf = folder.join("namesrv.conf");
        write(&conf, &format!("listenPort={port}\n"))?;
        Apache::start(
            release,
            folder,
            "org.apache.rocketmq.namesrv.NamesrvStartup",
            &conf,
            port,
            &[JVM, &["-Xmx128m"]].concat(),
        )
    }

    /// Starts a broker whose data directory is `data` and whose name is `name`; registered when this returns. `settings` are
    /// lines of broker.conf.
    pub fn broker(
        release: Release,
        folder: &Path,
        data: &Path,
        name: &str,
        namesrv: &str,
        settings: &str,
    ) -> Result<Apache, JavaError> {
        let jvm = [JVM, &["-Xmx512m"]].concat();
        Apache::broker_with(release, folder, data, name, namesrv, settings, &jvm)
    }

    /// The same with the JVM settings of a benchmark: every compiler tier, G1, 2 GiB of heap.
    pub fn broker_at_full_speed(
        release: Release,
        folder: &Path,
        data: &Path,
        name: &str,
        namesrv: &str,
    ) -> Result<Apache, JavaError> {
        let jvm = [&JVM[2..], &["-Xms2g", "-Xmx2g", "-XX:+UseG1GC"]].concat();
        Apache::broker_with(release, folder, data, name, namesrv, "", &jvm)
    }

    fn broker_with(
        release: Release,
        folder: &Path,
        data: &Path,
        name: &str,
        namesrv: &str,
        settings: &str,
        jvm: &[&str],
    ) -> Result<Apache, JavaError> {
        let port = free_port_triple().map_err(|e| e.to_string())?;
        let conf = folder.join("broker.conf");
        let text = format!(
            "brokerClusterName=DefaultCluster\nbrokerName={name}\nbrokerId=0\nlistenPort={port}\nnamesrvAddr={namesrv}\n\
             brokerIP1=127.0.0.1\nstorePathRootDir={data}\nstorePathCommitLog={data}/commitlog\nautoCreateTopicEnable=true\n\
             registerNameServerPeriod=10000\n{settings}\n",
            data = data.display()
        );
        write(&conf, &text)?;
        let broker = Apache::start(release, folder, "org.apache.rocketmq.broker.BrokerStartup", &conf, port, jvm)?;
        // 5.x gives up its first registration when it is faster than its own first connection to the name server, and
        // tries again after 10 s. Setting its permission, to what it is, makes it register at once.
        let deadline = Instant::now() + REGISTERED_WITHIN;
        while !is_registered(namesrv, name)? {
            if Instant::now() > deadline {
                return Err(format!("{name} did not register at {namesrv}"));
            }
            ask(&broker.address, UPDATE_BROKER_CONFIG, "brokerPermission=6")?;
        }
        Ok(broker)
    }

    fn start(
        release: Release,
        folder: &Path,
        class: &str,
        conf: &Path,
        port: u16,
        jvm: &[&str],
    ) -> Result<Apache, JavaError> {
        let jars = Jars::get(release)?;
        let home = folder.join("home");
        write_logging(&home, &["broker", "namesrv"])?;
        let mut java = Command::new("java");
        java.args(jvm).arg("-XX:MaxDirectMemorySize=1g");
        java.arg(format!("-Duser.home={}", folder.display())).env("ROCKETMQ_HOME", &home).env("HOME", folder);
        java.arg("-cp").arg(&jars.class_path).arg(class).arg("-c").arg(conf);
        let mut process = Process::start(java)?;
        let address = format!("127.0.0.1:{port}");
        process.wait_for("The ")?; // "The broker[...] boot success", "The Name Server boot success"
        Ok(Apache { address, process })
    }

    /// Process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// A clean stop: SIGTERM and wait.
    pub fn stop(self) -> Result<(), JavaError> {
        self.process.terminate()
    }

    /// SIGKILL.
    pub fn kill(self) {
        drop(self);
    }
}

/// Does the name server list this broker?
pub fn is_registered(namesrv: &str, broker_name: &str) -> Result<bool, JavaError> {
    let answer = ask(namesrv, GET_BROKER_CLUSTER_INFO, "")?;
    Ok(answer.contains(&format!("\"{broker_name}\"")))
}

/// One request without header fields; the whole answer as text.
fn ask(address: &str, code: i32, body: &str) -> Result<String, JavaError> {
    let failed = |e: std::io::Error| format!("request {code} to {address}: {e}");
    let header = format!("{{\"code\":{code},\"flag\":0,\"language\":\"OTHER\",\"opaque\":1,\"version\":0}}");
    let mut frame = Vec::new();
    frame.extend((4 + header.len() as u32 + body.len() as u32).to_be_bytes());
    frame.extend((header.len() as u32).to_be_bytes());
    frame.extend(header.bytes().chain(body.bytes()));
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(REGISTERED_WITHIN)).map_err(failed)?;
    stream.write_all(&frame).map_err(failed)?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).map_err(failed)?;
    let mut answer = vec![0; u32::from_be_bytes(length).min(ANSWER_MAX) as usize];
    stream.read_exact(&mut answer).map_err(failed)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn write(path: &Path, text: &str) -> Result<(), JavaError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| format!("cannot create {}: {e}", parent.display()))?;
    }
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
