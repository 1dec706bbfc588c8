//! Apache's own name server and broker, on free loopback ports, in a folder of the caller.
use crate::java::JVM;
use crate::{free_port_triple, Java, JavaError, Jars, Release};
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// A running Apache server.
#[derive(Debug)]
pub struct Apache {
    /// `127.0.0.1:port`.
    pub address: String,
    process: Java,
}

impl Apache {
    /// Starts a name server; ready when this returns.
    pub fn name_server(release: Release, folder: &Path) -> Result<Apache, JavaError> {
        let port = free_port_triple().map_err(|e| e.to_string())?;
        let conf = folder.join("namesrv.conf");
        write(&conf, &format!("listenPort={port}\n"))?;
        Apache::start(release, folder, "org.apache.rocketmq.namesrv.NamesrvStartup", &conf, port, &[JVM, &["-Xmx128m"]].concat())
    }

    /// Starts a broker whose data directory is `data` and whose name is `name`. `settings` are lines of broker.conf.
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
        Apache::start(release, folder, "org.apache.rocketmq.broker.BrokerStartup", &conf, port, jvm)
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
        for part in ["broker", "namesrv"] {
            // 4.9 does not start without these files.
            write(
                &home.join("conf").join(format!("logback_{part}.xml")),
                "<configuration><root level=\"OFF\"/></configuration>\n",
            )?;
        }
        let mut java = Command::new("java");
        java.args(jvm).arg("-XX:MaxDirectMemorySize=1g");
        java.arg(format!("-Duser.home={}", folder.display())).env("ROCKETMQ_HOME", &home).env("HOME", folder);
        java.arg("-cp").arg(&jars.class_path).arg(class).arg("-c").arg(conf);
        let mut process = Java::start(java)?;
        let address = format!("127.0.0.1:{port}");
        wait_for_port(&address, &mut process)?;
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

fn wait_for_port(address: &str, process: &mut Java) -> Result<(), JavaError> {
    let deadline = Instant::now() + Duration::from_secs(90);
    while TcpStream::connect(address).is_err() {
        process.drain();
        if Instant::now() > deadline {
            return Err(format!("{address} does not open; output: {:?}", process.seen));
        }
        std::thread::park_timeout(Duration::from_millis(50));
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<(), JavaError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|e| format!("cannot create {}: {e}", parent.display()))?;
    }
    fs::write(path, text).map_err(|e| format!("cannot write {}: {e}", path.display()))
}
