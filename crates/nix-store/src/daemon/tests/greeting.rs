//! The protocol itself: greetings, the messages before an answer, errors, and nonsense.

use proptest::prelude::*;
use tokio::io::{AsyncWriteExt, Join, Sink, duplex, join, sink};

use super::fake::{error, greeting, number, text};
use crate::daemon::{BuiltOutput, Connection, DaemonError, WireError};

const LAST: u64 = 0x616c_7473;
const MINORS: [u64; 9] = [21, 25, 26, 32, 33, 34, 35, 37, 38];

type Recorded<'a> = Join<&'a [u8], Sink>;

/// Opens a connection to a daemon that sends `says` in any case.
async fn open(says: &[u8]) -> Result<Connection<Recorded<'_>>, DaemonError> {
    Connection::open(join(says, sink())).await
}

fn old_error(message: &str) -> Vec<u8> {
    [number(0x6378_7470), text(message), number(1)].concat()
}

/// Everything that a daemon may say before an answer.
fn chatter() -> Vec<u8> {
    [
        number(0x6f6c_6d67),
        text("copying something"),
        number(0x6461_7416),
        text("output"),
        // An activity with a field of each type, its progress, its end.
        number(0x5354_5254),
        number(7),
        number(3),
        number(100),
        text("deleting"),
        number(2),
        number(0),
        number(42),
        number(1),
        text("field"),
        number(0),
        number(0x5253_4c54),
        number(7),
        number(105),
        number(1),
        number(0),
        number(1),
        number(0x5354_4f50),
        number(7),
    ]
    .concat()
}

#[tokio::test]
async fn every_version_is_greeted_with_exactly_the_words_it_expects() {
    for minor in MINORS {
        let says = [greeting(minor), number(LAST), number(1)].concat();
        let mut told = Vec::new();
        let mut connection = Connection::open(join(&says[..], &mut told)).await.unwrap();
        let peer = connection.peer().clone();
        assert_eq!(peer.protocol.to_string(), format!("1.{minor}"));
        assert_eq!(peer.nix_version.is_some(), minor >= 33, "1.{minor}");
        assert_eq!(peer.trusted, (minor >= 35).then_some(false));
        connection.add_temp_root("/nix/store/x").await.unwrap();
        drop(connection);

        let mut expected = [number(0x6e69_7863), number(0x126)].concat();
        if minor >= 38 {
            // The one feature that is offered.
            expected.extend([number(1), text("realisation-with-path-not-hash")].concat());
        }
        expected.extend([number(0), number(0), number(11), text("/nix/store/x")].concat());
        assert_eq!(told, expected, "1.{minor}");
    }
}

/// The greeting of a daemon since Nix 2.35.
fn greeting_of_2_35() -> Vec<u8> {
    let features = ["delete-dead-specific", "realisation-with-path-not-hash"];
    let words = [number(0x6478_696f), number(0x126), number(2), text(features[0])];
    let rest = [text(features[1]), text("2.35.0"), number(1), number(LAST)];
    [words.concat(), rest.concat()].concat()
}

#[tokio::test]
async fn outputs_are_entered_in_the_form_that_the_daemon_takes() {
    let built = BuiltOutput {
        derivation: "/nix/store/a-x.drv".to_owned(),
        output: "out".to_owned(),
        path: "/nix/store/b-x".to_owned(),
        signatures: vec!["k-1:AAAA".to_owned()],
    };
    let said = [greeting_of_2_35(), number(LAST), error("no"), number(LAST), number(1)].concat();
    let mut told = Vec::new();
    let mut connection = Connection::open(join(&said[..], &mut told)).await.unwrap();
    assert!(connection.peer().takes_build_traces);
    let refused = connection.register_realisation("{}").await.unwrap_err();
    assert!(matches!(refused, DaemonError::NotTaken(_)), "{refused}");
    connection.register_build_trace(&built).await.unwrap();
    let refused = connection.register_build_trace(&built).await.unwrap_err();
    assert!(matches!(refused, DaemonError::Refused(_)), "{refused}");
    assert!(connection.is_valid_path("/nix/store/b-x").await.unwrap());
    drop(connection);
    let order = [text("/nix/store/a-x.drv"), text("out"), text("/nix/store/b-x"), number(1)];
    let order = [number(42), order.concat(), text("k-1:AAAA")].concat();
    let question = [number(1), text("/nix/store/b-x")].concat();
    let asked = [order.clone(), order, question].concat();
    assert!(told.ends_with(&asked), "nothing is sent that the daemon does not take");

    for minor in MINORS {
        let said = [greeting(minor), number(LAST)].concat();
        let mut connection = open(&said).await.unwrap();
        assert!(!connection.peer().takes_build_traces);
        let refused = connection.register_build_trace(&built).await.unwrap_err();
        assert!(matches!(refused, DaemonError::NotTaken(_)), "1.{minor}: {refused}");
        connection.register_realisation("{}").await.unwrap();
    }
}

#[tokio::test]
async fn a_newer_daemon_is_spoken_to_in_the_newest_known_version() {
    let mut says = greeting(38);
    says[8] = 99;
    let connection = open(&says).await.unwrap();
    assert_eq!(connection.peer().protocol.minor(), 38);
}

#[tokio::test]
async fn answers_may_come_a_byte_at_a_time_and_after_any_chatter() {
    let says =
        [greeting(38), chatter(), number(LAST), number(1), chatter(), number(LAST), number(0)]
            .concat();
    let (ours, mut theirs) = duplex(1);
    let daemon = tokio::spawn(async move {
        let (mut from, mut to) = tokio::io::split(&mut theirs);
        tokio::join!(async { to.write_all(&says).await.unwrap() }, async {
            tokio::io::copy(&mut from, &mut sink()).await.unwrap()
        },);
    });
    let mut connection = Connection::open(ours).await.unwrap();
    assert!(connection.is_valid_path("/nix/store/x").await.unwrap());
    assert!(!connection.is_valid_path("/nix/store/y").await.unwrap());
    drop(connection);
    daemon.await.unwrap();
}

#[tokio::test]
async fn an_error_of_either_shape_is_told_without_colours_and_leaves_the_connection_usable() {
    let message = "\x1b[31;1merror:\x1b[0m path '\x1b[35;1m/x\x1b[0m'\nis not in the Nix store";
    for minor in MINORS {
        let error = if minor < 26 { old_error(message) } else { error(message) };
        let says = [greeting(minor), chatter(), error, number(LAST), number(1)].concat();
        let mut connection = open(&says).await.unwrap();
        let refused = connection.add_temp_root("/x").await.unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the daemon answered: error: path '/x' is not in the Nix store",
            "1.{minor}"
        );
        connection.add_temp_root("/nix/store/x").await.unwrap();
    }
}

#[tokio::test]
async fn a_daemon_may_refuse_in_the_greeting_or_close_it() {
    let mut says = greeting(34);
    says.truncate(says.len() - 8);
    says.extend(error("you are not allowed"));
    let refused = open(&says).await.unwrap_err();
    assert!(matches!(refused, DaemonError::TurnedAway(Some(why)) if why == "you are not allowed"));

    for minor in MINORS {
        let says = greeting(minor);
        for end in 0..says.len() {
            let error = open(&says[..end]).await.unwrap_err();
            assert!(matches!(error, DaemonError::TurnedAway(None)), "1.{minor} to {end}: {error}");
        }
    }
}

#[tokio::test]
async fn what_is_no_known_daemon_is_refused() {
    for (word, major, minor) in [(0x114, 1, 20), (0x226, 2, 38), (0x26, 0, 38), (0, 0, 0)] {
        let says = [number(0x6478_696f), number(word)].concat();
        let error = open(&says).await.unwrap_err();
        assert!(
            matches!(error, DaemonError::Version { major: a, minor: b } if (a, b) == (major, minor)),
            "{error}"
        );
    }
    let http = b"HTTP/1.1 400 Bad Request\r\n\r\n".repeat(4);
    let absurd = [number(0x6478_696f), number(0x126), number(u64::MAX)].concat();
    let wide = [number(0x6478_696f), number(0x1_0126)].concat();
    let untrusting = {
        let mut says = greeting(35);
        let trust = says.len() - 16;
        says[trust] = 3;
        says
    };
    for says in [http, absurd, wide, untrusting] {
        let error = open(&says).await.unwrap_err();
        assert!(matches!(error, DaemonError::Wire(_)), "{error}");
    }
}

#[tokio::test]
async fn nonsense_before_an_answer_is_refused_and_a_cut_answer_is_an_end() {
    let with_position =
        [number(0x6378_7470), text("Error"), number(0), text(""), text("m"), number(1)].concat();
    let nonsense = [
        number(0xbad),
        [number(0x6461_7461), number(4096)].concat(),
        [number(0x6f6c_6d67), number(1 << 40)].concat(),
        [number(0x5253_4c54), number(1), number(1), number(1 << 40)].concat(),
        [number(0x5253_4c54), number(1), number(1), number(1), number(9)].concat(),
        with_position,
    ];
    for nonsense in nonsense {
        let says = [greeting(37), nonsense].concat();
        let error = open(&says).await.unwrap().add_temp_root("/x").await.unwrap_err();
        assert!(
            matches!(
                error,
                DaemonError::Wire(WireError::Unexpected { .. } | WireError::TooLong { .. })
            ),
            "{error}"
        );
    }
    let answer = [chatter(), error("no")].concat();
    for end in 0..answer.len() {
        let says = [greeting(37), answer[..end].to_vec()].concat();
        let error = open(&says).await.unwrap().add_temp_root("/x").await.unwrap_err();
        assert!(matches!(error, DaemonError::Wire(WireError::Closed)), "{end}: {error}");
    }
}

#[tokio::test]
async fn a_call_that_was_given_up_spoils_the_connection() {
    let (ours, mut theirs) = duplex(4096);
    theirs.write_all(&greeting(37)).await.unwrap();
    let mut connection = Connection::open(ours).await.unwrap();
    let call = connection.is_valid_path("/nix/store/x");
    tokio::time::timeout(std::time::Duration::from_millis(10), call).await.unwrap_err();
    theirs.write_all(&[number(LAST), number(1)].concat()).await.unwrap();
    let error = connection.is_valid_path("/nix/store/y").await.unwrap_err();
    assert!(matches!(error, DaemonError::Wire(WireError::Abandoned)));
}

proptest! {
    #[test]
    fn no_bytes_make_the_client_panic_or_wait_for_more_than_they_are(
        minor in prop::sample::select(&MINORS[..]),
        words in prop::collection::vec(
            prop_oneof![
                prop::sample::select(vec![
                    0x6f6c_6d67, 0x6461_7461, 0x6461_7416, 0x5354_5254, 0x5354_4f50,
                    0x5253_4c54, 0x6378_7470, LAST, 0, 1, 2, 8,
                ]),
                any::<u64>(),
            ],
            0..60,
        ),
        flip in any::<prop::sample::Index>(),
        bit in 0..8,
    ) {
        let mut says = greeting(minor);
        says.extend(words.into_iter().flat_map(number));
        let flip = flip.index(says.len());
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        for flipped in [false, true] {
            if flipped {
                says[flip] ^= 1_u8 << bit;
            }
            runtime.block_on(async {
                let Ok(mut connection) = open(&says).await else { return };
                for _ in 0..8 {
                    match connection.is_valid_path("/nix/store/x").await {
                        Ok(_) | Err(DaemonError::Refused(_)) => {}
                        Err(_) => return,
                    }
                }
            });
        }
    }
}
