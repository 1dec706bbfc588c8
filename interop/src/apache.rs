//! Apache's own name server and broker, on free loopback ports, in a folder of the caller.
use crate::java::{write_logging, JVM};
use crate::{free_port_triple, Jars, JavaError, Process, Release};
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Longest time from a broker's "boot success" until its name server lists it.
const REGISTERED_WITHIN: Duration = Duration::from_secs(30);
/// Ports that are tried: between the choice of one and the moment when Apache opens it somebody else may take it.
const PORTS_MAX: usize = 5;
/// What Java says then.
const PORT_IS_TAKEN: &str = "Address already in use";
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
        let server = Server {
            class: "org.apache.rocketmq.namesrv.NamesrvStartup",
            conf: folder.join("namesrv.conf"),
            settings: String::new(),
            jvm: &[JVM, &["-Xmx128m"]].concat(),
        };
        server.start(release, folder, free_port_triple)
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
        let settings = format!(
            "brokerClusterName=DefaultCluster\nbrokerName={name}\nbrokerId=0\nnamesrvAddr={namesrv}\n\
             brokerIP1=127.0.0.1\nstorePathRootDir={data}\nstorePathCommitLog={data}/commitlog\nautoCreateTopicEnable=true\n\
             registerNameServerPeriod=10000\n{settings}\n",
            data = data.display()
        );
        let class = "org.apache.rocketmq.broker.BrokerStartup";
        let server = Server { class, conf: folder.join("broker.conf"), settings, jvm };
        let broker = server.start(release, folder, free_port_triple)?;
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

/// A server that is to be started.
struct Server<'a> {
    /// Its main class.
    class: &'a str,
    /// Its configuration file, which is written.
    conf: PathBuf,
    /// The lines of that file but for the port.
    settings: String,
    jvm: &'a [&'a str],
}

impl Server<'_> {
    /// Starts it on a port that `choose` gives, and on another when that one is taken.
    fn start(
        &self,
        release: Release,
        folder: &Path,
        mut choose: impl FnMut() -> io::Result<u16>,
    ) -> Result<Apache, JavaError> {
        let mut outcome = Err(String::new());
        for _ in 0..PORTS_MAX {
            let port = choose().map_err(|e| e.to_string())?;
            outcome = self.start_on(release, folder, port);
            if !outcome.as_ref().is_err_and(|said| said.contains(PORT_IS_TAKEN)) {
                break;
            }
        }
        outcome
    }

    fn start_on(&self, release: Release, folder: &Path, port: u16) -> Result<Apache, JavaError> {
        write(&self.conf, &format!("listenPort={port}\n{}", self.settings))?;
        let jars = Jars::get(release)?;
        let home = folder.join("home");
        write_logging(&home, &["broker", "namesrv"])?;
        let mut java = Command::new("java");
        java.args(self.jvm).arg("-XX:MaxDirectMemorySize=1g");
        java.arg(format!("-Duser.home={}", folder.display())).env("ROCKETMQ_HOME", &home).env("HOME", folder);
        java.arg("-cp").arg(&jars.class_path).arg(self.class).arg("-c").arg(&self.conf);
        let mut process = Process::start(java)?;
        process.wait_for("The ")?; // "The broker[...] boot success", "The Name Server boot success"
        Ok(Apache { address: format!("127.0.0.1:{port}"), process })
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use std::net::TcpListener;

    /// A server whose port somebody took before it opened it starts on another.
    #[test]
    fn another_port_is_tried() {
        if let Some(reason) = crate::missing_tools() {
            // Not `println!`, which a test that passes keeps to itself.
            io::stdout().write_all(format!("SKIPPED another_port_is_tried: {reason}\n").as_bytes()).unwrap();
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut ports = vec![free_port_triple().unwrap(), somebody.local_addr().unwrap().port()];
        let server = Server {
            class: "org.apache.rocketmq.namesrv.NamesrvStartup",
            conf: folder.path().join("namesrv.conf"),
            settings: String::new(),
            jvm: JVM,
        };
        let wanted = format!("127.0.0.1:{}", ports[0]);
        let started = server.start(Release::V5_4_0, folder.path(), || Ok(ports.pop().unwrap())).unwrap();
        assert_eq!(started.address, wanted);
    }
}
