use super::super::end::{End, Ending, Ends};

const NOTHING: Ends = Ends { eof: false, lost: false };

#[test]
fn the_owner_is_notified_of_each_end_once() {
    let mut end = End::default();
    assert_eq!(end.untold(), NOTHING);
    assert!(!NOTHING.any());
    end.receive_eof();
    end.receive_eof();
    assert_eq!(end.untold(), Ends { eof: true, lost: false });
    end.tell(NOTHING);
    assert!(end.untold().any());
    end.tell(end.untold());
    end.receive_eof();
    assert_eq!(end.untold(), NOTHING);
    assert!(!end.is_lost());
    end.lose();
    assert!(end.is_lost());
    assert_eq!(end.untold(), Ends { eof: false, lost: true });
    end.tell(end.untold());
    end.lose();
    assert_eq!(end.untold(), NOTHING);
    assert!(end.is_lost());
}

#[test]
fn no_end_counts_as_told_before_it_happens() {
    let mut end = End::default();
    end.tell(Ends { eof: true, lost: true });
    end.receive_eof();
    end.lose();
    assert_eq!(end.untold(), Ends { eof: true, lost: true });
}

#[test]
fn an_ending_is_carried_out_once_and_only_becomes_more_severe() {
    use Ending::{Half, Open, Whole};
    for (asked, done) in [
        (vec![Half], vec![Half]),
        (vec![Half, Half], vec![Half]),
        (vec![Half, Whole], vec![Half, Whole]),
        (vec![Whole, Half], vec![Whole]),
        (vec![Open], vec![]),
    ] {
        let mut end = End::default();
        end.connect();
        assert!(end.is_connected() && end.is_open() && end.is_undone());
        let mut seen = Vec::new();
        for how in &asked {
            end.ask(*how);
            seen.extend(end.take_due());
        }
        assert_eq!(seen, done, "{asked:?}");
        assert_eq!(end.take_due(), None);
        assert_eq!((end.is_open(), end.is_undone()), (done.is_empty(), done.is_empty()));
    }
}

#[test]
fn no_ending_is_due_without_a_wire() {
    let mut end = End::default();
    end.ask(Ending::Whole);
    assert_eq!(end.take_due(), None);
    end.connect();
    end.disconnect();
    assert_eq!(end.take_due(), None);
    assert!(end.is_undone());
}
