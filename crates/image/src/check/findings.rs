//! What is found wrong, in order. Zones are listed up to a limit and counted from there on: there may be millions.

/// From here on zones are counted and not listed.
const MOST: usize = 1000;

/// One thing that is wrong with an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The part of the file: `header`, `header copy`, `length`, `checkpoint A`, `checkpoint B`, `journal`,
    /// `live table`, `stamp`, `slots`, `saved`.
    pub part: &'static str,
    /// The zone that it concerns, if it is one.
    pub zone: Option<u32>,
    /// What is wrong.
    pub problem: String,
    /// What [`crate::repair`] does about it; `None`: nothing can be done.
    pub cure: Option<String>,
}

/// What was found so far.
#[derive(Debug, Default)]
pub(super) struct Findings {
    listed: Vec<Finding>,
    /// Zones that are not listed: part, cure, how many.
    more: Vec<(&'static str, Option<String>, u32)>,
}

impl Findings {
    pub fn add(
        &mut self,
        part: &'static str,
        zone: Option<u32>,
        problem: impl Into<String>,
        cure: Option<&str>,
    ) {
        if zone.is_some() && self.listed.len() >= MOST {
            let cure = cure.map(str::to_owned);
            match self
                .more
                .iter_mut()
                .find(|more| (more.0, &more.1) == (part, &cure))
            {
                Some(more) => more.2 += 1,
                None => self.more.push((part, cure, 1)),
            }
            return;
        }
        self.listed.push(Finding {
            part,
            zone,
            problem: problem.into(),
            cure: cure.map(str::to_owned),
        });
    }

    /// How many are listed.
    pub fn len(&self) -> usize {
        self.listed.len()
    }

    /// All of them, those that are only counted last.
    pub fn into_list(mut self) -> Vec<Finding> {
        for (part, cure, count) in std::mem::take(&mut self.more) {
            self.add(
                part,
                None,
                format!("{count} more zones, likewise"),
                cure.as_deref(),
            );
        }
        self.listed
    }
}
