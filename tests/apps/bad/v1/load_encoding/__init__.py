# -*- coding: utf-8 -*-
NAME = 'é'
