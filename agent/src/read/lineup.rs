//! Brings the files of a look into one line, oldest first, each file once.
//!
//! Three facts carry it, since a runtime renames and compresses while we look:
//! * A look that found the directory twice the same was right at one moment. So whatever it has
//!   and we have not is younger than all that we have.
//! * What stands before a file that we have is therefore nothing new but the archive of a file
//!   that we have too.
//! * Files are deleted from the oldest on, so archives keep the order of what they were made of.

use std::collections::{HashMap, HashSet};

use super::file::{FileId, Stat};
use super::first_line::FirstLine;

/// A file that is known already.
#[derive(Clone, Debug)]
pub struct KnownFile<Handle> {
    pub id: FileId,
    /// What it was compressed to.
    pub archive: Option<FileId>,
    pub first_line: FirstLine,
    /// An equal id does not make it the same file: nobody held it open meanwhile.
    pub needs_proof: bool,
    /// It was read to this length and left, and has news if it is longer.
    pub left_at: Option<u64>,
    /// To read a first line again that was not whole.
    pub handle: Option<Handle>,
}

/// A file that was met by a look.
#[derive(Clone, Debug)]
pub struct Seen<Handle> {
    pub name: String,
    /// 0 for the file that is written, rising with age.
    pub rank: u64,
    pub is_archive: bool,
    pub id: FileId,
    pub content: Content<Handle>,
}

#[derive(Clone, Debug)]
pub enum Content<Handle> {
    /// Known by its id alone.
    Shut,
    Opened(Opened<Handle>),
    /// There, and not to be had.
    Refused(String),
}

/// An open file, and what stands at its head.
#[derive(Clone, Debug)]
pub struct Opened<Handle> {
    pub handle: Handle,
    pub stat: Stat,
    pub first_line: FirstLine,
    /// Offset at which reading begins if nothing is known of it.
    pub start: u64,
}

/// One file of the line.
#[derive(Clone, Debug)]
pub struct Found<Handle> {
    pub name: String,
    pub id: FileId,
    pub kind: FoundKind<Handle>,
}

#[derive(Clone, Debug)]
pub enum FoundKind<Handle> {
    /// One of the known, or its archive, and nothing new is to be said of it.
    Known,
    Opened {
        /// It is this one of the known, or what that was compressed to.
        known: Option<FileId>,
        is_archive: bool,
        /// What it was compressed to since it was opened.
        archive: Option<FileId>,
        opened: Opened<Handle>,
    },
    Refused(String),
}

/// A file that was opened by an earlier look and has no name now.
#[derive(Clone, Debug)]
pub struct Vanished<Handle> {
    pub seen: Seen<Handle>,
    /// Nothing was renamed since; otherwise it is older than all that have a name.
    pub rank_holds: bool,
}

/// One look at a directory.
#[derive(Debug)]
pub enum Look<Handle> {
    Whole {
        /// Oldest first, each file once.
        found: Vec<Found<Handle>>,
        on_disk: HashSet<FileId>,
        /// The directory stood still, and all of it could be had.
        is_clean: bool,
    },
    /// It did not stand still, or a file of it cannot be had yet: to be repeated in a moment, with
    /// what was opened.
    Unfinished { held: Vec<Seen<Handle>>, stood_still: bool },
}

/// What is worth another look.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Names that change all the time.
    pub with_names: bool,
    /// Files that cannot be had yet.
    pub with_files: bool,
}

impl Default for Patience {
    fn default() -> Self {
        Self { with_names: true, with_files: true }
    }
}

/// `known` and `vanished`: oldest first. `present`: in any order.
pub fn conclude<Handle>(
    known: &[KnownFile<Handle>],
    vanished: Vec<Vanished<Handle>>,
    mut present: Vec<Seen<Handle>>,
    stood_still: bool,
    patience: Patience,
) -> Look<Handle> {
    let on_disk = present.iter().map(|seen| seen.id).collect();
    // An archive beside the plain file of its name is still being made of it, or was left half by
    // a crash of the runtime: it counts once the plain one has gone.
    let plain: HashSet<u64> =
        present.iter().filter(|seen| !seen.is_archive).map(|seen| seen.rank).collect();
    present.retain(|seen| !seen.is_archive || !plain.contains(&seen.rank));
    let all_is_had = present.iter().all(is_to_be_had);
    if (!stood_still && patience.with_names) || (!all_is_had && patience.with_files) {
        present.sort_by_key(Seen::age);
        let all = vanished.into_iter().map(|gone| gone.seen).chain(present);
        let is_open = |seen: &Seen<Handle>| matches!(seen.content, Content::Opened(_));
        return Look::Unfinished { held: all.filter(is_open).collect(), stood_still };
    }
    let is_clean = stood_still && all_is_had;
    Look::Whole { found: line_up(known, vanished, present), on_disk, is_clean }
}

fn is_to_be_had<Handle>(seen: &Seen<Handle>) -> bool {
    match &seen.content {
        Content::Shut => true,
        Content::Opened(opened) => !seen.is_archive || opened.first_line != FirstLine::Unfinished,
        Content::Refused(_) => false,
    }
}

impl<Handle> Seen<Handle> {
    /// Sorts oldest first.
    fn age(&self) -> (std::cmp::Reverse<u64>, bool) {
        (std::cmp::Reverse(self.rank), self.is_archive)
    }

    fn first_line(&self) -> Option<FirstLine> {
        match &self.content {
            Content::Opened(opened) => {
                Some(opened.first_line).filter(|line| *line != FirstLine::Unfinished)
            }
            _ => None,
        }
    }
}

fn line_up<Handle>(
    known: &[KnownFile<Handle>],
    vanished: Vec<Vanished<Handle>>,
    present: Vec<Seen<Handle>>,
) -> Vec<Found<Handle>> {
    let ids = |at: usize| [Some(known[at].id), known[at].archive].into_iter().flatten();
    let by_id: HashMap<FileId, usize> =
        (0..known.len()).flat_map(|at| ids(at).map(move |id| (id, at))).collect();
    let which =
        |seen: &Seen<Handle>| by_id.get(&seen.id).copied().filter(|at| is_same(&known[*at], seen));
    let mut line: Vec<Place<Handle>> =
        present.into_iter().map(|seen| Place { of: which(&seen), is_gone: false, seen }).collect();
    let (mut of_known, mut older) = (Vec::new(), Vec::new());
    for gone in vanished {
        let of = which(&gone.seen);
        let place = Place { of, is_gone: true, seen: gone.seen };
        match of {
            Some(_) => of_known.push(place),
            None if gone.rank_holds => line.push(place),
            None => older.push(place),
        }
    }
    line.sort_by_key(|place| place.seen.age());
    find_archives(known, &mut line);
    // Younger than all that are known, and older than the rest.
    let behind = line.iter().rposition(|place| place.of.is_some()).map_or(0, |at| at + 1);
    line.splice(behind..behind, older);
    for gone in of_known {
        put_known(&mut line, gone);
    }
    joined(line).into_iter().map(|(place, archive)| place.into_found(known, archive)).collect()
}

/// A file in the line that is being made.
struct Place<Handle> {
    /// Which of the known it is.
    of: Option<usize>,
    is_gone: bool,
    seen: Seen<Handle>,
}

impl<Handle> Place<Handle> {
    fn into_found(self, known: &[KnownFile<Handle>], archive: Option<FileId>) -> Found<Handle> {
        let Seen { name, id, is_archive, content, .. } = self.seen;
        let kind = match content {
            Content::Shut => FoundKind::Known,
            Content::Refused(error) => FoundKind::Refused(error),
            Content::Opened(opened) => FoundKind::Opened {
                known: self.of.map(|at| known[at].id),
                is_archive,
                archive,
                opened,
            },
        };
        Found { name, id, kind }
    }
}

fn is_same<Handle>(known: &KnownFile<Handle>, seen: &Seen<Handle>) -> bool {
    match &seen.content {
        Content::Shut => true,
        // Of one that was left with half a line as its first, another is the first now.
        Content::Opened(opened) => {
            let is_proven = known.left_at.is_some() && !known.needs_proof;
            is_proven || opened.first_line == known.first_line
        }
        Content::Refused(_) => false,
    }
}

/// Finds what known files without a name were compressed to. Both are in the order of age.
fn find_archives<Handle>(known: &[KnownFile<Handle>], line: &mut [Place<Handle>]) {
    let mut accounted: Vec<bool> = known.iter().map(|file| file.archive.is_some()).collect();
    for at in line.iter().filter_map(|place| place.of) {
        accounted[at] = true;
    }
    // The first of the known that can still come.
    let mut next = 0;
    for index in 0..line.len() {
        let anchor = line[index..].iter().filter_map(|place| place.of).min();
        let Place { of, seen, .. } = &mut line[index];
        if of.is_none() && anchor.is_some() && !is_to_be_had(seen) && seen.is_archive {
            // Nothing can be read of it, and nothing new can stand here.
            seen.content = Content::Shut;
            continue;
        }
        if let (None, true, Some(first_line)) = (*of, seen.is_archive, seen.first_line()) {
            let begins_so = |at: &usize| known[*at].first_line == first_line;
            let mut candidates = next..anchor.unwrap_or(known.len());
            *of = candidates.find(|at| !accounted[*at] && begins_so(at));
            if of.is_none() && anchor.is_some() {
                // Half a copy of one that has its name yet, left by a runtime that was killed.
                *of = (0..known.len()).find(begins_so);
            }
        }
        if let Some(at) = *of {
            accounted[at] = true;
            next = next.max(at + 1);
        }
    }
}

/// Puts a known file that has no name now before its archive, or where its age wants it.
fn put_known<Handle>(line: &mut Vec<Place<Handle>>, gone: Place<Handle>) {
    let is_behind = |place: &Place<Handle>| place.of.is_none_or(|at| Some(at) >= gone.of);
    let at = line.iter().position(is_behind).unwrap_or(line.len());
    line.insert(at, gone);
}

/// Joins files that have no name now with their archives, at the places of these.
fn joined<Handle>(line: Vec<Place<Handle>>) -> Vec<(Place<Handle>, Option<FileId>)> {
    let mut joined: Vec<(Place<Handle>, Option<FileId>)> = Vec::with_capacity(line.len());
    for place in line {
        let is_plain = |(plain, archive): &(Place<Handle>, Option<FileId>)| {
            plain.is_gone
                && !plain.seen.is_archive
                && archive.is_none()
                && plain.of == place.of
                && plain.seen.first_line() == place.seen.first_line()
        };
        let at =
            Some(&joined).filter(|_| place.seen.is_archive && place.seen.first_line().is_some());
        match at.and_then(|joined| joined.iter().position(is_plain)) {
            Some(at) => {
                let (plain, _) = joined.remove(at);
                joined.push((plain, Some(place.seen.id)));
            }
            None => joined.push((place, None)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(inode: u64) -> FileId {
        FileId { inode, birth_ns: 1 }
    }

    /// A file whose first line is its letter; `?`: not whole yet.
    fn line(letter: char) -> FirstLine {
        match letter {
            '?' => FirstLine::Unfinished,
            letter => FirstLine::Fingerprint(letter.into()),
        }
    }

    fn known(inode: u64, letter: char, archive: Option<u64>) -> KnownFile<()> {
        let first_line = line(letter);
        KnownFile {
            id: id(inode),
            archive: archive.map(id),
            first_line,
            needs_proof: false,
            left_at: None,
            handle: None,
        }
    }

    /// `name`: `0`, `1`, `1.gz` …
    fn seen(name: &str, inode: u64, letter: char) -> Seen<()> {
        let stat = Stat { id: id(inode), size: 1, links: 1, is_regular: true };
        let opened = Opened { handle: (), stat, first_line: line(letter), start: 0 };
        let number = name.strip_suffix(".gz").unwrap_or(name);
        Seen {
            name: name.to_owned(),
            rank: number.parse().unwrap(),
            is_archive: name != number,
            id: id(inode),
            content: Content::Opened(opened),
        }
    }

    fn shut(name: &str, inode: u64) -> Seen<()> {
        Seen { content: Content::Shut, ..seen(name, inode, '?') }
    }

    fn gone(name: &str, inode: u64, letter: char, rank_holds: bool) -> Vanished<()> {
        Vanished { seen: seen(name, inode, letter), rank_holds }
    }

    /// `new 5`, `new 5 > 6` with its archive, `4 > 6` a known one's, `4` a known one.
    fn shown(look: Look<()>) -> Vec<String> {
        let Look::Whole { found, .. } = look else { return vec!["unfinished".to_owned()] };
        let show = |found: Found<()>| match found.kind {
            FoundKind::Known => found.id.inode.to_string(),
            FoundKind::Refused(error) => error,
            FoundKind::Opened { known, archive, .. } => {
                let archive = archive.map_or(String::new(), |id| format!(" > {}", id.inode));
                match known {
                    Some(known) if known == found.id => format!("{}{archive}", known.inode),
                    Some(known) => format!("{} > {}", known.inode, found.id.inode),
                    None => format!("new {}{archive}", found.id.inode),
                }
            }
        };
        found.into_iter().map(show).collect()
    }

    #[track_caller]
    fn check(
        known: &[KnownFile<()>],
        gone: Vec<Vanished<()>>,
        there: Vec<Seen<()>>,
        expect: &[&str],
    ) {
        assert_eq!(shown(conclude(known, gone, there, true, Patience::default())), expect);
    }

    #[test]
    fn a_first_look_takes_all_from_the_oldest_on() {
        let there = vec![seen("0", 1, 'c'), seen("2.gz", 3, 'a'), seen("1", 2, 'b')];
        check(&[], vec![], there, &["new 3", "new 2", "new 1"]);
    }

    #[test]
    fn an_archive_that_stands_beside_its_plain_file_does_not_count() {
        let there = vec![seen("0", 1, 'c'), seen("1", 2, 'b'), seen("1.gz", 3, '?')];
        check(&[], vec![], there, &["new 2", "new 1"]);
    }

    #[test]
    fn known_files_find_their_archives_in_order_even_if_they_begin_alike() {
        let all = [known(1, 'x', None), known(2, 'x', None), known(3, 'x', None)];
        let there =
            vec![seen("0", 6, 'x'), shut("1", 3), seen("2.gz", 5, 'x'), seen("3.gz", 4, 'x')];
        check(&all, vec![], there, &["1 > 4", "2 > 5", "3", "new 6"]);
        // Two rotations later, and the archive of a file that nobody saw among them.
        let all = [known(1, 'x', Some(4)), known(2, 'x', Some(5)), known(3, 'x', None)];
        let there = vec![
            seen("0", 9, 'x'),
            seen("1.gz", 8, 'x'),
            seen("2.gz", 7, 'x'),
            shut("3.gz", 5),
            shut("4.gz", 4),
        ];
        check(&all, vec![], there, &["4", "5", "3 > 7", "new 8", "new 9"]);
    }

    #[test]
    fn half_a_copy_of_a_known_file_is_not_another() {
        let all = [known(1, 'a', None), known(2, 'b', None)];
        let there = vec![shut("0", 2), shut("1", 1), seen("2.gz", 3, 'a')];
        check(&all, vec![], there, &["1 > 3", "1", "2"]);
    }

    #[test]
    fn what_lost_its_name_meanwhile_is_read_in_the_place_of_its_archive() {
        let all = [known(1, 'a', Some(4))];
        let there = vec![shut("2.gz", 4), seen("1.gz", 5, 'b'), seen("0", 3, 'c')];
        check(&all, vec![gone("1", 2, 'b', false)], there, &["4", "new 2 > 5", "new 3"]);
        // And a known one that was opened since nobody held it.
        let all = [KnownFile { needs_proof: true, ..known(1, 'a', None) }];
        let there = vec![seen("1.gz", 5, 'a'), seen("0", 3, 'c')];
        check(&all, vec![gone("0", 1, 'a', false)], there, &["1 > 5", "new 3"]);
    }

    #[test]
    fn what_lost_its_name_for_good_is_older_than_all_but_the_known() {
        let all = [known(1, 'a', None)];
        let there = vec![shut("2", 1), seen("1", 4, 'd'), seen("0", 5, 'e')];
        let lost = vec![gone("1", 2, 'b', false), gone("0", 3, 'c', false)];
        check(&all, lost, there, &["1", "new 2", "new 3", "new 4", "new 5"]);
        // A directory that is being removed: nothing was renamed.
        let there = vec![seen("2", 2, 'b'), seen("0", 4, 'd')];
        let lost = vec![gone("3", 1, 'a', true), gone("1", 3, 'c', true)];
        check(&[], lost, there, &["new 1", "new 2", "new 3", "new 4"]);
    }

    #[test]
    fn an_equal_id_with_another_first_line_is_another_file() {
        let all = [KnownFile { needs_proof: true, ..known(1, 'a', None) }];
        check(&all, vec![], vec![seen("0", 1, 'b')], &["new 1"]);
        check(&all, vec![], vec![seen("0", 1, 'a')], &["1"]);
    }

    #[test]
    fn what_cannot_be_had_is_waited_for_and_then_passed_over() {
        let there = || vec![seen("1.gz", 2, '?'), seen("0", 3, 'c')];
        let look = |known: &[KnownFile<()>], still, with_names, with_files| {
            let patience = Patience { with_names, with_files };
            shown(conclude(known, vec![], there(), still, patience))
        };
        assert_eq!(look(&[], true, true, true), ["unfinished"]);
        assert_eq!(look(&[], true, true, false), ["new 2", "new 3"]);
        assert_eq!(look(&[], false, true, false), ["unfinished"]);
        assert_eq!(look(&[], false, false, false), ["new 2", "new 3"]);
        // Before a known file it can only be half a copy of one that is known too.
        let all = [known(3, 'c', None)];
        let there = vec![seen("1.gz", 2, '?'), shut("0", 3)];
        let patience = Patience { with_names: true, with_files: false };
        assert_eq!(shown(conclude(&all, vec![], there, true, patience)), ["2", "3"]);
        let moving = conclude(&[], vec![], vec![seen("0", 3, 'c')], false, Patience::default());
        let Look::Unfinished { held, stood_still: false } = moving else { panic!("it moves") };
        assert_eq!(held[0].id, id(3));
    }
}
