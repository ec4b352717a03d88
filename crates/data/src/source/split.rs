//! Dividing samples into those to learn from, to validate with and to be tested with.

use crate::augment::stream;
use gradus_tensor::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// By which rule samples are held out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// By chance, each alike.
    #[default]
    Random,
    /// By chance, each class in the same proportion.
    Stratified,
    /// By chance, whole groups: what has the same value in a column stays together, such as the
    /// pictures of one patient.
    Group,
    /// By time: the latest are tested with, those before them validated with.
    Time,
}

/// How samples are held out, where files do not say which.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SplitOptions {
    /// The part to validate with, of what is not given in files of its own.
    pub valid: f64,
    /// The part to be tested with.
    pub test: f64,
    /// By which rule.
    pub by: SplitBy,
    /// The column of groups or of times.
    pub column: Option<String>,
    /// In how many parts of one size all is divided that is not tested with, for cross-validation.
    pub folds: Option<usize>,
    /// Which of these parts is validated with, from 1 on; the others are learnt from.
    pub fold: Option<usize>,
}

impl Default for SplitOptions {
    fn default() -> Self {
        Self { valid: 0.1, test: 0.0, by: SplitBy::Random, column: None, folds: None, fold: None }
    }
}

impl SplitOptions {
    /// Refuses what cannot be.
    ///
    /// # Errors
    /// If a part is not from 0 up to 1, both together leave nothing, a column is missing or not
    /// wanted, or there is no such fold.
    pub fn check(&self) -> Result<()> {
        self.check_fold()?;
        for (name, part) in [("valid", self.valid), ("test", self.test)] {
            if !(0.0..1.0).contains(&part) {
                let message =
                    format!("split: {name} = {part} is no part from 0 up to 1, as 0.1 is");
                return Err(Error::Setting(message));
            }
        }
        if self.valid + self.test >= 1.0 {
            let (valid, test) = (self.valid, self.test);
            let message =
                format!("split: valid = {valid} and test = {test} leave nothing to learn from");
            return Err(Error::Setting(message));
        }
        let needs = matches!(self.by, SplitBy::Group | SplitBy::Time);
        let message = match (&self.column, needs) {
            (None, true) => "split: by group or by time needs the name of a column: give column",
            (Some(_), false) => "split: a column is for by = group and by = time: leave it out",
            _ => return Ok(()),
        };
        Err(Error::Setting(message.into()))
    }
}

impl SplitOptions {
    fn check_fold(&self) -> Result<()> {
        let message = match (self.fold, self.folds) {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) if self.by == SplitBy::Time => {
                "split: there are no folds by time, for some would learn from what comes later: \
                 leave them out"
                    .into()
            }
            (Some(fold), Some(folds)) if folds >= 2 && (1..=folds).contains(&fold) => {
                return Ok(());
            }
            (Some(fold), Some(folds)) => format!(
                "split: fold {fold} of {folds} cannot be: give two folds or more, and one of them"
            ),
            _ => "split: fold and folds go together: give both or neither".into(),
        };
        Err(Error::Setting(message))
    }
}

/// What a rule goes by.
#[derive(Clone, Debug)]
pub enum Keys {
    /// Nothing: all are alike.
    None,
    /// The class or the group of each sample.
    Names(Vec<String>),
    /// The time of each sample.
    Times(Vec<f64>),
}

/// The numbers of the samples in each part, ascending.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Division {
    /// To learn from.
    pub train: Vec<usize>,
    /// To validate with.
    pub valid: Vec<usize>,
    /// To be tested with.
    pub test: Vec<usize>,
}

/// Divides `count` samples by a rule. The same seed divides them the same way.
///
/// A random and a stratified division hold out ⌊N · part⌋ samples; the latter takes from each class
/// its share, to within one. Of groups, so many are held out, in random order, that together they
/// have as many samples at least. By time, samples of one moment stay together.
///
/// With folds, what is not tested with is dealt out to them, each class evenly or each group to the
/// fold that has fewest samples, and one fold is held out in the place of the part to validate with:
/// over all folds, each sample once.
///
/// ```
/// use gradus_data::source::split::{Keys, SplitOptions, divide};
///
/// # fn main() -> gradus_tensor::Result<()> {
/// let options = SplitOptions { valid: 0.2, test: 0.1, ..Default::default() };
/// let parts = divide(50, &Keys::None, &options, 1)?;
/// assert_eq!((parts.train.len(), parts.valid.len(), parts.test.len()), (35, 10, 5));
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// If the options cannot be, or a part that is wanted would be empty.
pub fn divide(count: usize, keys: &Keys, options: &SplitOptions, seed: u64) -> Result<Division> {
    options.check()?;
    let wanted = |part: f64| (count as f64 * part + 1e-9).floor() as usize;
    let folded = options.fold.zip(options.folds);
    let valid = if folded.is_some() { 0 } else { wanted(options.valid) };
    let test = wanted(options.test);
    let mut division = match (options.by, keys) {
        (SplitBy::Group, Keys::Names(names)) => by_group(names, valid, test, seed),
        (SplitBy::Time, Keys::Times(times)) => by_time(times, valid, test),
        (SplitBy::Stratified, Keys::Names(names)) => deal(classes(names), count, valid, test, seed),
        _ => deal(vec![(0..count).collect()], count, valid, test, seed),
    };
    if let Some((fold, folds)) = folded {
        division.train.sort_unstable();
        let parts = fold_of_each(&division.train, keys, options, seed);
        if let Some(empty) = (0..folds).find(|part| !parts.contains(part)) {
            let (count, empty) = (division.train.len(), empty + 1);
            return Err(Error::Setting(format!(
                "split: {count} samples are too few for {folds} folds: fold {empty} would hold out \
                 none; give fewer folds"
            )));
        }
        let pairs = division.train.iter().copied().zip(parts);
        let (valid, train): (Vec<_>, Vec<_>) = pairs.partition(|(_, part)| part + 1 == fold);
        let indices = |pairs: Vec<(usize, usize)>| pairs.into_iter().map(|(index, _)| index);
        (division.train, division.valid) = (indices(train).collect(), indices(valid).collect());
    }
    for part in [&mut division.train, &mut division.valid, &mut division.test] {
        part.sort_unstable();
    }
    for (name, part, wanted) in [
        ("learn from", &division.train, true),
        ("validate with", &division.valid, folded.is_none() && options.valid > 0.0),
        ("be tested with", &division.test, options.test > 0.0),
    ] {
        if wanted && part.is_empty() {
            let message = format!(
                "split: of {count} samples, valid = {} and test = {} leave none to {name}: change \
                 the parts, or give more samples",
                options.valid, options.test
            );
            return Err(Error::Setting(message));
        }
    }
    Ok(division)
}

/// The samples of each class.
fn classes(names: &[String]) -> Vec<Vec<usize>> {
    let mut classes: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, name) in names.iter().enumerate() {
        classes.entry(name).or_default().push(index);
    }
    classes.into_values().collect()
}

/// Shuffles each class and deals all of them out, one class after the other, in even steps: so each
/// part gets of a class its share, and exactly as many in all as it should.
fn deal(classes: Vec<Vec<usize>>, count: usize, valid: usize, test: usize, seed: u64) -> Division {
    let mut rng = stream(seed, 0);
    let mut division = Division::default();
    let order = classes.into_iter().flat_map(|class| {
        let shuffled = rng.permutation(class.len());
        shuffled.into_iter().map(move |place| class[place]).collect::<Vec<_>>()
    });
    // True at `total` of `count` places, evenly spaced.
    let due = |place: usize, total: usize, count: usize| {
        let steps = |place: usize| place as u128 * total as u128 / count.max(1) as u128;
        steps(place + 1) > steps(place)
    };
    let mut rest = 0;
    for (place, index) in order.enumerate() {
        if due(place, test, count) {
            division.test.push(index);
            continue;
        }
        match due(rest, valid, count - test) {
            true => division.valid.push(index),
            false => division.train.push(index),
        }
        rest += 1;
    }
    division
}

/// The number of the fold of each of some samples, from 0 on.
fn fold_of_each(samples: &[usize], keys: &Keys, options: &SplitOptions, seed: u64) -> Vec<usize> {
    let folds = options.folds.unwrap_or(1);
    let mut rng = stream(seed, 1);
    let names = match keys {
        Keys::Names(names) => samples.iter().map(|&index| names[index].clone()).collect(),
        _ => vec![String::new(); samples.len()],
    };
    let groups = classes(&names);
    let mut parts = vec![0; samples.len()];
    if options.by == SplitBy::Group {
        // The largest first, so that small ones make up for the differences.
        let mut order = rng.permutation(groups.len());
        order.sort_by_key(|&group| std::cmp::Reverse(groups[group].len()));
        let mut sizes = vec![0; folds];
        for group in order {
            let least = (0..folds).min_by_key(|&fold| sizes[fold]).unwrap_or(0);
            sizes[least] += groups[group].len();
            groups[group].iter().for_each(|&place| parts[place] = least);
        }
        return parts;
    }
    // Dealt out like cards, class after class: where one ends, the next goes on.
    let mut dealt = 0;
    for class in groups {
        for place in rng.permutation(class.len()) {
            parts[class[place]] = dealt % folds;
            dealt += 1;
        }
    }
    parts
}

fn by_group(names: &[String], valid: usize, test: usize, seed: u64) -> Division {
    let groups = classes(names);
    let mut division = Division::default();
    for place in stream(seed, 0).permutation(groups.len()) {
        let part = if division.test.len() < test {
            &mut division.test
        } else if division.valid.len() < valid {
            &mut division.valid
        } else {
            &mut division.train
        };
        part.extend(&groups[place]);
    }
    division
}

fn by_time(times: &[f64], valid: usize, test: usize) -> Division {
    let mut order: Vec<usize> = (0..times.len()).collect();
    order.sort_by(|&a, &b| times[a].total_cmp(&times[b]));
    // A moment at a border goes with the later part.
    let border = |mut place: usize| {
        while (1..times.len()).contains(&place) && times[order[place - 1]] == times[order[place]] {
            place -= 1;
        }
        place
    };
    let last = border(times.len() - test);
    let first = border(last - valid.min(last));
    Division {
        train: order[..first].to_vec(),
        valid: order[first..last].to_vec(),
        test: order[last..].to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_whole(division: &Division, count: usize) {
        let mut all = [&division.train[..], &division.valid[..], &division.test[..]].concat();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..count));
    }

    fn options(by: SplitBy, column: Option<&str>) -> SplitOptions {
        SplitOptions {
            valid: 0.2,
            test: 0.1,
            by,
            column: column.map(String::from),
            ..Default::default()
        }
    }

    #[test]
    fn a_random_division_is_the_seeds() {
        let parts = |seed| divide(101, &Keys::None, &options(SplitBy::Random, None), seed).unwrap();
        check_whole(&parts(3), 101);
        assert_eq!(parts(3), parts(3));
        assert_ne!(parts(3), parts(4));
        assert_eq!((parts(3).valid.len(), parts(3).test.len()), (20, 10));
        // Not the same places each time, nor neighbours.
        assert_ne!(parts(3).test, (0..10).collect::<Vec<_>>());
        // 0.1 + 0.2 of 10 in binary fractions is not quite 3.
        let third = SplitOptions { valid: 0.3, ..Default::default() };
        assert_eq!(divide(10, &Keys::None, &third, 0).unwrap().valid.len(), 3);
    }

    #[test]
    fn classes_keep_their_proportions() {
        let names: Vec<String> =
            (0..500).map(|i| if i % 10 < 7 { "a" } else { "b" }.to_string()).collect();
        let options = options(SplitBy::Stratified, None);
        let parts = divide(500, &Keys::Names(names.clone()), &options, 1).unwrap();
        check_whole(&parts, 500);
        for (part, wanted) in [(&parts.train, 245), (&parts.valid, 70), (&parts.test, 35)] {
            let count = part.iter().filter(|&&i| names[i] == "a").count() as i64;
            assert!((count - wanted).abs() <= 1, "{count} for {wanted}");
        }
        assert_eq!((parts.valid.len(), parts.test.len()), (100, 50));
    }

    #[test]
    fn groups_stay_together() {
        let names: Vec<String> = (0..200).map(|i| format!("g{}", i % 23)).collect();
        let options = options(SplitBy::Group, Some("patient"));
        let parts = divide(200, &Keys::Names(names.clone()), &options, 1).unwrap();
        check_whole(&parts, 200);
        let groups = |part: &[usize]| {
            part.iter().map(|&i| names[i].clone()).collect::<std::collections::BTreeSet<_>>()
        };
        let (train, valid, test) =
            (groups(&parts.train), groups(&parts.valid), groups(&parts.test));
        assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
        assert!((40..49).contains(&parts.valid.len()) && (20..29).contains(&parts.test.len()));
    }

    #[test]
    fn the_latest_are_held_out() {
        let times = [5.0, 1.0, 3.0, 3.0, 2.0, 3.0, 9.0, 8.0, 0.0, 7.0];
        let options = SplitOptions { valid: 0.3, ..options(SplitBy::Time, Some("day")) };
        let parts = divide(10, &Keys::Times(times.into()), &options, 1).unwrap();
        // 5, 7, 8 would be three, and 3 is not among them.
        assert_eq!((parts.test, parts.valid), (vec![6], vec![0, 7, 9]));
        let options = SplitOptions { valid: 0.5, ..options };
        let parts = divide(10, &Keys::Times(times.into()), &options, 1).unwrap();
        assert_eq!(parts.valid, [0, 2, 3, 5, 7, 9]);
        assert_eq!(parts.train, [1, 4, 8]);
    }

    #[test]
    fn folds_hold_out_each_sample_once() {
        for (by, column) in
            [(SplitBy::Random, None), (SplitBy::Stratified, None), (SplitBy::Group, Some("name"))]
        {
            // Four classes of different sizes, or seventeen groups.
            let name = |i: usize| if by == SplitBy::Group { i % 17 } else { i * i % 7 };
            let names: Vec<String> = (0..101).map(|i| name(i).to_string()).collect();
            let keys = match by {
                SplitBy::Random => Keys::None,
                _ => Keys::Names(names.clone()),
            };
            let fold = |number| {
                let own =
                    SplitOptions { folds: Some(4), fold: Some(number), ..options(by, column) };
                divide(101, &keys, &own, 3).unwrap()
            };
            let folds: Vec<Division> = (1..=4).map(fold).collect();
            let mut held: Vec<usize> = folds.iter().flat_map(|own| own.valid.clone()).collect();
            held.extend(&folds[0].test);
            held.sort_unstable();
            assert!(held.into_iter().eq(0..101), "{by:?}");
            for own in &folds {
                check_whole(own, 101);
                assert_eq!(own.test, folds[0].test);
                let count = |part: &[usize], name: &String| {
                    part.iter().filter(|&&index| names[index] == *name).count()
                };
                for name in &names {
                    let (valid, train) = (count(&own.valid, name), count(&own.train, name));
                    match by {
                        SplitBy::Stratified => assert!((valid * 3).abs_diff(train) <= 4),
                        SplitBy::Group => assert!(valid == 0 || train == 0),
                        _ => {}
                    }
                }
                if by != SplitBy::Group {
                    assert!(own.valid.len().abs_diff(23) <= 1, "{}", own.valid.len());
                }
            }
            assert_ne!(folds[0].valid, folds[1].valid);
        }
    }

    #[test]
    fn folds_that_cannot_be_are_told() {
        let said = |options: SplitOptions, count| {
            divide(count, &Keys::None, &options, 0).unwrap_err().to_string()
        };
        let with = |fold, folds| SplitOptions { fold, folds, ..Default::default() };
        assert!(said(with(Some(1), None), 9).contains("fold and folds go together"));
        assert!(said(with(Some(4), Some(3)), 9).contains("fold 4 of 3 cannot be"));
        assert!(said(with(Some(1), Some(1)), 9).contains("two folds or more"));
        assert!(
            said(with(Some(5), Some(5)), 4)
                .contains("4 samples are too few for 5 folds: fold 5 would")
        );
        let time =
            SplitOptions { folds: Some(2), fold: Some(1), ..options(SplitBy::Time, Some("t")) };
        assert!(said(time, 9).contains("no folds by time"));
    }

    #[test]
    fn what_cannot_be_divided_is_refused() {
        let said = |count, options: SplitOptions| {
            divide(count, &Keys::None, &options, 0).unwrap_err().to_string()
        };
        let valid = |valid| SplitOptions { valid, ..Default::default() };
        assert_eq!(
            said(5, valid(0.1)),
            "split: of 5 samples, valid = 0.1 and test = 0 leave none to validate with: change \
             the parts, or give more samples"
        );
        assert_eq!(
            said(0, valid(0.0)),
            "split: of 0 samples, valid = 0 and test = 0 leave none to learn from: change the \
             parts, or give more samples"
        );
        for part in [1.0, -0.5, f64::NAN, f64::INFINITY] {
            let wanted = format!("split: valid = {part} is no part from 0 up to 1, as 0.1 is");
            assert_eq!(said(9, valid(part)), wanted);
        }
        let both = SplitOptions { valid: 0.5, test: 0.5, ..Default::default() };
        let wanted = "split: valid = 0.5 and test = 0.5 leave nothing to learn from";
        assert_eq!(said(9, both), wanted);
        let wanted = "split: by group or by time needs the name of a column: give column";
        assert_eq!(said(9, options(SplitBy::Time, None)), wanted);
        let wanted = "split: a column is for by = group and by = time: leave it out";
        assert_eq!(said(9, options(SplitBy::Random, Some("x"))), wanted);
    }
}
